//! Finds what a pattern covers, and goes through no link on the way.

use std::collections::BTreeSet;
use std::fs::{self, FileType};
use std::io;
use std::path::{Component, Path, PathBuf};

use glob::{Pattern, PatternError};

use super::halt::Halt;

/// What was found, in the order of the paths.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// What the pattern covers and is no folder and no link.
    pub(super) paths: BTreeSet<PathBuf>,
    /// What could not be looked at, and why.
    pub(super) failures: Vec<(PathBuf, io::Error)>,
}

/// What a pattern says of a name in a path.
#[derive(Debug)]
enum Part {
    /// `**`: folders, one in the other, as many as there are.
    Folders,
    /// A name without wildcards.
    Name(String),
    Like(Pattern),
}

/// A path that exists, and the parts of the pattern that are below it.
type Reached<'a> = (PathBuf, &'a [Part]);

/// Finds what a pattern covers. The folders before its first wildcard may be links, since whoever configured the
/// pattern named them. No other link is followed, so that nobody who may write into a folder of logs can point to files
/// elsewhere, or make the search endless by a link to a folder above.
pub(super) fn walk(pattern: &str, halt: &Halt) -> Covered {
    let mut covered = Covered::default();
    let (named, parts) = match split(pattern) {
        Ok(split) => split,
        Err(error) => {
            covered.failures.push((pattern.into(), io::Error::new(io::ErrorKind::InvalidInput, error)));
            return covered;
        }
    };
    // A path is reached twice, with as many parts below it, where several `**` divide it in different ways.
    let mut seen = BTreeSet::new();
    let mut reached: Vec<Reached<'_>> = vec![(named, &parts)];
    while let Some((path, parts)) = reached.pop()
        && !halt.is_cancelled()
    {
        if parts.is_empty() {
            covered.paths.insert(path);
        } else if seen.insert((path.clone(), parts.len()))
            && let Err(error) = step(&path, parts, &mut reached)
            && !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        {
            covered.failures.push((path, error));
        }
    }
    covered
}

/// The folder that a pattern names before its first wildcard, and what it says below it. The last name is never a part
/// of that folder.
fn split(pattern: &str) -> Result<(PathBuf, Vec<Part>), PatternError> {
    let components: Vec<_> = Path::new(pattern).components().filter(|it| *it != Component::CurDir).collect();
    let last = components.len().saturating_sub(1);
    let is_named = |component: &Component<'_>| !matches!(component, Component::Normal(_)) || !has_wildcards(component);
    let named = components.iter().take(last).take_while(|component| is_named(component)).count();
    let (named, below) = components.split_at(named);
    Ok((named.iter().collect(), below.iter().map(Part::new).collect::<Result<_, _>>()?))
}

fn has_wildcards(component: &Component<'_>) -> bool {
    component.as_os_str().to_string_lossy().contains(['*', '?', '['])
}

impl Part {
    fn new(component: &Component<'_>) -> Result<Self, PatternError> {
        let text = component.as_os_str().to_string_lossy();
        Ok(match &*text {
            "**" => Self::Folders,
            _ if has_wildcards(component) => Self::Like(Pattern::new(&text)?),
            _ => Self::Name(text.into_owned()),
        })
    }
}

/// Goes one name further.
fn step<'a>(path: &Path, parts: &'a [Part], reached: &mut Vec<Reached<'a>>) -> io::Result<()> {
    let Some((part, below)) = parts.split_first() else { return Ok(()) };
    let is_on_the_way = |kind: FileType| if below.is_empty() { kind.is_file() } else { kind.is_dir() };
    match part {
        Part::Name(name) => {
            // It need not be allowed to list the folder.
            let path = path.join(name);
            if is_on_the_way(fs::symlink_metadata(&path)?.file_type()) {
                reached.push((path, below));
            }
        }
        Part::Like(pattern) => {
            for (name, kind) in list(path)? {
                if is_on_the_way(kind) && pattern.matches(&name.to_string_lossy()) {
                    reached.push((path.join(name), below));
                }
            }
        }
        Part::Folders => {
            // At the end of a pattern, `**` stands for folders alone.
            if !below.is_empty() {
                reached.push((path.to_owned(), below));
            }
            let folders = list(path)?.into_iter().filter(|(_, kind)| kind.is_dir());
            reached.extend(folders.map(|(name, _)| (path.join(name), parts)));
        }
    }
    Ok(())
}

/// The names in a folder, and what they are; a link is a link.
fn list(folder: &Path) -> io::Result<Vec<(PathBuf, FileType)>> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(folder)?.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().into(), entry.file_type()?))
    });
    // What went away since is no reason to leave out the others.
    let is_there = |entry: &io::Result<_>| entry.as_ref().err().is_none_or(|it| it.kind() != io::ErrorKind::NotFound);
    entries.filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(pattern: &str) -> Vec<PathBuf> {
        let covered = walk(pattern, &Halt::default());
        assert!(covered.failures.is_empty(), "{covered:?}");
        covered.paths.into_iter().collect()
    }

    /// Folders `a` and `b` in each other, three deep, with the files `a.log`, `b.log` and `.c` in each.
    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/a/a", "a/b/a", "b/a/b"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
            for ancestor in Path::new(path).ancestors() {
                for name in ["a.log", "b.log", ".c"] {
                    fs::write(folder.path().join(ancestor).join(name), "").unwrap();
                }
            }
        }
        folder
    }

    #[test]
    fn a_relative_pattern_is_in_the_working_folder() {
        assert_eq!(paths("Cargo.t?ml"), [Path::new("Cargo.toml")]);
        assert_eq!(paths("./src/../[C]argo.toml"), [Path::new("src/../Cargo.toml")]);
        assert_eq!(paths("Cargo.toml"), [Path::new("Cargo.toml")]);
        assert!(paths("nothing/*/here").is_empty());
    }

    #[test]
    fn a_pattern_that_is_none_between_its_slashes_is_a_failure() {
        let covered = walk("logs/[a/b]", &Halt::default());
        assert_eq!(covered.failures[0].1.kind(), io::ErrorKind::InvalidInput);
    }

    proptest! {
        #[test]
        fn without_links_it_is_what_glob_finds(
            parts in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "?", "**", "[!a]"]), 0..5),
            name in prop::sample::select(vec!["*", "*.log", "a.log", "?.lo[g]", "**", ".*", "a"]),
        ) {
            let folder = tree();
            let pattern = format!("{}/{}/{name}", folder.path().join("a").display(), parts.join("/"));
            let found = glob::glob(&pattern).unwrap().map(Result::unwrap);
            let expected: BTreeSet<_> = found.filter(|path| path.is_file()).collect();
            prop_assert_eq!(paths(&pattern), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
