//! Verifies an exported audit log, offline: without the store, and without trust in whoever exported it.
//!
//! `cargo run --example audit_verify -- BUNDLE KEY... [ANCHORS...]`
//!
//! Whoever runs the control plane exports a bundle, all of the log or a part of it:
//!
//! ```no_run
//! # async fn export(ops: &opsorch::OpsOrch) -> Result<(), Box<dyn std::error::Error>> {
//! std::fs::write("bundle.json", ops.audit().bundle().await?.to_json()?)?;
//! println!("{}", ops.audit().verifier_keys()[0]); // the KEY: hand it over by another way than the bundle
//! # Ok(())
//! # }
//! ```

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::process::ExitCode;

use opsorch::audit::{Bundle, FileAnchor, Report, VerifierKey, verify};

const USAGE: &str = "\
usage: audit_verify BUNDLE KEY... [ANCHORS...]

  BUNDLE   an exported log as JSON, at most 1 GiB
  KEY      a public key of the log, `name+id+key`, or @FILE with one on each line; after a rotation, all of them
  ANCHORS  files of checkpoints that were kept outside the store, such as those of a FileAnchor

exit status: 0 intact, 1 not intact, 2 called wrongly";

/// The largest bundle that is read: 1 GiB. In memory it takes about twice as much.
const MAX_BUNDLE: u64 = 1024 * 1024 * 1024;

/// The largest file of keys.
const MAX_KEYS: u64 = 1024 * 1024;

/// How many findings are printed.
const MAX_FINDINGS: usize = 50;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(Verdict { text, intact }) => {
            println!("{text}");
            if intact { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What came of it, for a person to read.
struct Verdict {
    text: String,
    intact: bool,
}

/// Verifies what the arguments name. An error says what is wrong with the call.
fn run(arguments: &[String]) -> Result<Verdict, String> {
    let (bundle, evidence) = arguments.split_first().ok_or("expected a bundle")?;
    let (mut keys, mut anchors) = (Vec::new(), Vec::new());
    for argument in evidence {
        if let Some(path) = argument.strip_prefix('@') {
            keys.extend(read_keys(path)?);
        } else if let Ok(key) = argument.parse::<VerifierKey>() {
            keys.push(key);
        } else {
            anchors.extend(read_anchors(argument)?);
        }
    }
    if keys.is_empty() {
        return Err("expected the public key of the log".into());
    }
    let text = read(bundle, MAX_BUNDLE)?;
    Ok(match Bundle::from_json(&text) {
        Ok(bundle) => describe(&verify(&bundle, &keys, &anchors)),
        // The text was exported as a bundle, so whatever keeps it from being read was done to it since.
        Err(error) => Verdict { text: format!("NOT INTACT: the bundle cannot be read\n\n  {error}"), intact: false },
    })
}

fn read(path: &str, limit: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("{path} cannot be read: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("{path} is larger than {limit} bytes"));
    }
    // Bytes that are no UTF-8 were damaged; lossily read they do not verify.
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn read_keys(path: &str) -> Result<Vec<VerifierKey>, String> {
    let text = read(path, MAX_KEYS)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.parse().map_err(|error| format!("{path}: {error}"))).collect()
}

fn read_anchors(path: &str) -> Result<Vec<String>, String> {
    let anchors = FileAnchor::read(path).map_err(|error| format!("neither a key nor anchors: {error}"))?;
    if anchors.is_empty() { Err(format!("{path} holds no checkpoint")) } else { Ok(anchors) }
}

fn describe(report: &Report) -> Verdict {
    let intact = report.is_intact();
    let scope = if report.excerpt { "an excerpt; what it leaves out is not judged" } else { "the whole log" };
    let mut lines = vec![
        // The origin comes with the bundle: escaped, it cannot steer a terminal.
        format!("{}: {:?}\n", if intact { "INTACT" } else { "NOT INTACT" }, report.origin),
        format!("  entries      {}, {scope}", report.entries),
        format!("  checkpoints  {} valid; signed are the first {} entries", report.checkpoints, report.covered_size),
        format!("  anchors      {} valid", report.anchors),
    ];
    if report.anchors == 0 {
        lines.push("\nWithout an anchor a log that was cut, or begun afresh, can look like this, too.".into());
    }
    if !intact {
        lines.push(format!("\n{} found:\n", report.findings.len()));
        lines.extend(report.findings.iter().take(MAX_FINDINGS).map(|finding| format!("  - {finding}")));
    }
    let mut text = lines.join("\n");
    if let Some(more @ 1..) = report.findings.len().checked_sub(MAX_FINDINGS) {
        let _ = write!(text, "\n  - and {more} more");
    }
    Verdict { text, intact }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::path::PathBuf;

    use opsorch::audit::{BundleEntry, Checkpoint, Frontier, SigningKey, leaf_hash};

    use super::*;

    /// A folder with a log of three entries, its key, and an anchor.
    struct Case(PathBuf);

    impl Case {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("audit-verify-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let case = Self(folder);
            let key = SigningKey::from_seed("example.com/ops", &[1; 32]).unwrap();
            let (mut tree, mut entries) = (Frontier::default(), Vec::new());
            for sequence in 0..3 {
                let stored = format!(r#"{{"sequence":{sequence},"event":"approved"}}"#);
                let leaf = leaf_hash(stored.as_bytes());
                tree.push(leaf);
                entries.push(BundleEntry::new(sequence, stored, leaf));
            }
            let signed = key.sign(&Checkpoint::new("example.com/ops", tree.size(), tree.root()).unwrap());
            let bundle = Bundle::new("example.com/ops").checkpoints([signed.clone()]).entries(entries);
            case.write("bundle.json", &bundle.to_json().unwrap());
            case.write("keys", &format!("# of the log\n\n{}\n", key.verifier()));
            case.write("anchors", &format!("{signed}\n\n"));
            case
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).to_str().unwrap().to_owned()
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.path(name), text).unwrap();
        }

        fn edit(&self, from: &str, to: &str) {
            let text = std::fs::read_to_string(self.path("bundle.json")).unwrap();
            assert!(text.contains(from));
            self.write("bundle.json", &text.replacen(from, to, 1));
        }

        fn run(&self) -> Verdict {
            let keys = format!("@{}", self.path("keys"));
            run(&[self.path("bundle.json"), keys, self.path("anchors")]).unwrap()
        }
    }

    impl Drop for Case {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn an_untouched_bundle_is_intact() {
        let case = Case::new("intact");
        let Verdict { text, intact } = case.run();
        assert!(intact);
        assert_eq!(
            text,
            "INTACT: \"example.com/ops\"\n\n  entries      3, the whole log\n  \
             checkpoints  1 valid; signed are the first 3 entries\n  anchors      1 valid"
        );
        let key = SigningKey::from_seed("example.com/ops", &[1; 32]).unwrap().verifier().to_string();
        let verdict = run(&[case.path("bundle.json"), key]).unwrap();
        assert!(verdict.intact && verdict.text.ends_with("can look like this, too."), "{}", verdict.text);
    }

    #[test]
    fn a_damaged_bundle_is_not_intact_and_the_entry_is_named() {
        let case = Case::new("damaged");
        case.edit("approved", "approveD");
        let Verdict { text, intact } = case.run();
        assert!(!intact);
        assert!(text.starts_with("NOT INTACT"), "{text}");
        assert!(text.ends_with("1 found:\n\n  - entry 0 was altered"), "{text}");
    }

    #[test]
    fn a_bundle_that_cannot_be_read_is_not_intact() {
        let case = Case::new("unreadable");
        case.edit("\"leaf\"", "\"lead\"");
        let Verdict { text, intact } = case.run();
        assert!(!intact && text.contains("bundle.entries[0].lead"), "{text}");
    }

    #[test]
    fn a_wrong_call_is_an_error_that_says_why() {
        let case = Case::new("usage");
        case.write("empty", "");
        let bundle = case.path("bundle.json");
        let wrong = [
            (vec![], "expected a bundle"),
            (vec![bundle.clone()], "expected the public key"),
            (vec![bundle.clone(), "example.com/ops+123".into()], "neither a key nor anchors"),
            (vec![bundle.clone(), format!("@{}", case.path("missing"))], "missing cannot be read"),
            (vec![bundle.clone(), format!("@{bundle}")], "expected `name+id+key`"),
            (vec![bundle, case.path("empty")], "empty holds no checkpoint"),
            (vec![case.path("missing"), format!("@{}", case.path("keys"))], "missing cannot be read"),
        ];
        for (arguments, expected) in wrong {
            let why = run(&arguments).map(|verdict| verdict.text).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
