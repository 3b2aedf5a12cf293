//! The folder: which files are plans, and what they say now.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::{Error, ErrorKind, Plan, Result, visible};

use super::yaml;
use crate::local::open::open_file;
use crate::local::stamp::Stamp;

/// The files that are read, those whose names come first.
const MOST_FILES: usize = 1_000;

/// The largest file, in bytes.
const LARGEST_FILE: u64 = 256 << 10;

/// How much is read of all files together, in bytes.
const LARGEST_FOLDER: u64 = 16 << 20;

/// What to say when there is more.
pub(super) const TOO_MUCH: &str = "at most 1000 files of 16 MiB together are read, those whose names come first";

/// A folder of plans. What its files said is kept as long as they do not change.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    known: Mutex<BTreeMap<OsString, Reading>>,
}

/// What a file said.
#[derive(Clone, Debug)]
struct Reading {
    stamp: Stamp,
    /// Whether the file was settled when it was read.
    settled: bool,
    said: Said,
}

/// A plan, or what is wrong with the file.
type Said = std::result::Result<Arc<Plan>, String>;

/// What the folder says at one time.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) plans: BTreeMap<String, Arc<Plan>>,
    /// By the names of the files.
    pub(super) broken: Vec<Broken>,
    /// Whether there is more than is read.
    pub(super) more: bool,
}

/// A file that is no plan, or that has the id of another one.
#[derive(Debug)]
pub(super) struct Broken {
    /// The id that it would have, if its name is a text.
    pub(super) id: Option<String>,
    pub(super) path: PathBuf,
    pub(super) problem: String,
}

impl Broken {
    /// The name of the file, to be shown.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        visible(&name.to_string_lossy()).into_owned()
    }

    pub(super) fn error(&self) -> Error {
        Error::unexpected(self.problem.clone()).with_context("file", visible(&self.path.to_string_lossy()))
    }
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, known: Mutex::default() }
    }

    /// What the files say now. It blocks: it looks at all of them, and reads those that may have changed.
    ///
    /// # Errors
    /// `Unavailable` if the folder cannot be read. What is wrong with a file is in the contents.
    pub(super) fn contents(&self) -> Result<Contents> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (folder, names) = self.names().map_err(|error| self.unreadable(&error))?;
        let mut more = names.len() > MOST_FILES;
        let (mut read, mut left) = (BTreeMap::new(), LARGEST_FOLDER);
        for name in names.into_iter().take(MOST_FILES) {
            let Some(reading) = look(&folder, &name, known.get(&name)) else { continue };
            let size = reading.as_ref().map_or(0, |reading| reading.stamp.size().min(LARGEST_FILE));
            match left.checked_sub(size) {
                Some(rest) => left = rest,
                None => {
                    more = true;
                    break;
                }
            }
            read.insert(name, reading);
        }
        let contents = Contents { more, ..self.gather(&read) };
        *known = read.into_iter().filter_map(|(name, reading)| Some((name, reading.ok()?))).collect();
        Ok(contents)
    }

    /// Where the folder is, and what may be plans in it: at most one more than are read.
    fn names(&self) -> io::Result<(PathBuf, BTreeSet<OsString>)> {
        let folder = self.path.canonicalize()?;
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            if is_named_like_a_plan(&name) {
                names.insert(name);
                if names.len() > MOST_FILES + 1 {
                    names.pop_last();
                }
            }
        }
        Ok((folder, names))
    }

    fn gather(&self, read: &BTreeMap<OsString, std::result::Result<Reading, String>>) -> Contents {
        let mut contents = Contents::default();
        let mut same: BTreeMap<&str, Vec<(&OsString, &Arc<Plan>)>> = BTreeMap::new();
        for (name, reading) in read {
            match reading.as_ref().map(|reading| &reading.said) {
                Ok(Ok(plan)) => same.entry(plan.id.as_str()).or_default().push((name, plan)),
                Ok(Err(problem)) | Err(problem) => {
                    let id = stem(name).map(str::to_owned);
                    contents.broken.push(Broken { id, path: self.path.join(name), problem: problem.clone() });
                }
            }
        }
        for (id, files) in same {
            match files.as_slice() {
                [(_, plan)] => drop(contents.plans.insert(id.to_owned(), Arc::clone(plan))),
                [(first, _), others @ ..] => {
                    let others: Vec<_> = others.iter().map(|(name, _)| format!("`{}`", shown(name))).collect();
                    let problem = format!("expected one plan `{id}`, it is also in {}", others.join(", "));
                    contents.broken.push(Broken { id: Some(id.to_owned()), path: self.path.join(first), problem });
                }
                [] => {}
            }
        }
        contents.broken.sort_by(|one, other| one.path.cmp(&other.path));
        contents
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        let message = format!("could not read the folder of plans: {}", error.kind());
        Error::new(ErrorKind::Unavailable, message).with_context("folder", visible(&self.path.to_string_lossy()))
    }
}

fn is_named_like_a_plan(name: &OsString) -> bool {
    let is_yaml = Path::new(name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    is_yaml && !name.as_encoded_bytes().starts_with(b".")
}

fn stem(name: &OsString) -> Option<&str> {
    Path::new(name).file_stem()?.to_str()
}

fn shown(name: &OsString) -> String {
    visible(&name.to_string_lossy()).into_owned()
}

/// What a file says, of what was read before if it cannot have changed; nothing if it went away meanwhile. What is
/// wrong with the file system may be right the next time, so it is an error and not what the file said.
fn look(folder: &Path, name: &OsString, known: Option<&Reading>) -> Option<std::result::Result<Reading, String>> {
    let path = folder.join(name);
    match target(folder, &path).and_then(|target| read(&target, name, known)) {
        Ok(reading) => Some(Ok(reading)),
        Err(_) if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) => None,
        Err(problem) => Some(Err(problem)),
    }
}

/// The file itself, where a link leads to it. A link that leads out of the folder is not followed.
fn target(folder: &Path, path: &Path) -> std::result::Result<PathBuf, String> {
    let target = path.canonicalize().map_err(unreadable)?;
    match target.starts_with(folder) {
        true => Ok(target),
        false => Err("expected a file of the folder, got a link that leads out of it".to_owned()),
    }
}

fn read(target: &Path, name: &OsString, known: Option<&Reading>) -> std::result::Result<Reading, String> {
    let found = Stamp::of(&fs::symlink_metadata(target).map_err(unreadable)?);
    if let Some(known) = known.filter(|known| known.settled && known.stamp == found) {
        return Ok(known.clone());
    }
    let file = open_file(target).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => error.to_string(),
        _ => unreadable(error),
    })?;
    let metadata = file.metadata().map_err(unreadable)?;
    // Before it is read: what is written meanwhile may leave the stamp as it is.
    let stamp = Stamp::of(&metadata);
    let settled = stamp.is_settled();
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Reading { stamp, settled, said: parse(bytes, name) })
}

fn parse(bytes: Vec<u8>, name: &OsString) -> Said {
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(format!("expected a plan of at most {} KiB, got a larger file", LARGEST_FILE >> 10));
    }
    let text = String::from_utf8(bytes).map_err(|_| "expected a plan in UTF-8".to_owned())?;
    let id = stem(name).ok_or("expected a name of the file in UTF-8")?;
    yaml::parse(&text, id).map(Arc::new)
}

fn unreadable(error: io::Error) -> String {
    format!("could not read the file: {}", error.kind())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn put(path: &Path, title: &str, age: Duration) {
        fs::write(path, format!("title: {title}\nsteps: [{{ id: a, title: t }}]")).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn a_file_is_read_again_only_where_it_may_have_changed() {
        let temporary = tempfile::tempdir().unwrap();
        let (path, folder) = (temporary.path().join("p.yaml"), Folder::new(temporary.path().to_owned()));
        let plan = || Arc::clone(&folder.contents().unwrap().plans["p"]);
        put(&path, "one", Duration::from_secs(60));
        let first = plan();
        assert!(Arc::ptr_eq(&first, &plan()), "it was not read again");
        put(&path, "two", Duration::from_secs(60));
        assert_eq!(plan().title, "two", "the size and the age are the same");
        put(&path, "six", Duration::ZERO);
        let fresh = plan();
        assert!(fresh.title == "six" && !Arc::ptr_eq(&fresh, &plan()), "it may change within the same moment");
        fs::remove_file(&path).unwrap();
        assert!(folder.contents().unwrap().plans.is_empty() && folder.known.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_beyond_the_limits_is_left_out_and_said() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path().to_owned());
        let name = |number| temporary.path().join(format!("{number:04}.yaml"));
        for number in 0..MOST_FILES {
            put(&name(number), "x", Duration::ZERO);
        }
        let contents = folder.contents().unwrap();
        assert!(contents.plans.len() == MOST_FILES && !contents.more);
        put(&name(MOST_FILES), "x", Duration::ZERO);
        let contents = folder.contents().unwrap();
        assert!(contents.plans.len() == MOST_FILES && contents.more);
        assert!(!contents.plans.contains_key("1000"));

        for number in 0..MOST_FILES {
            fs::remove_file(name(number)).unwrap();
        }
        let step = "steps: [{ id: a, title: t }]\n";
        let large = format!("title: x\n{step}#{}", "x".repeat((256 << 10) - step.len() - 10));
        assert_eq!(large.len() as u64, LARGEST_FILE);
        for number in 0..=64 {
            fs::write(name(number), &large).unwrap();
        }
        let contents = folder.contents().unwrap();
        assert!(contents.plans.len() == 64 && contents.more && contents.broken.is_empty());
        fs::write(name(0), format!("{large}{}", "x".repeat(32 << 20))).unwrap();
        assert_eq!(
            folder.contents().unwrap().broken[0].problem,
            "expected a plan of at most 256 KiB, got a larger file"
        );
    }
}
