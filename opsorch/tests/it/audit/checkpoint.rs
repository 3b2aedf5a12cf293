//! Checkpoints and keys, against texts that other implementations wrote.

use opsorch::audit::{Checkpoint, Frontier, Hash, SigningKey, VerifierKey, leaf_hash};
use opsorch::secret::Secret;
use proptest::prelude::*;

const ORIGIN: &str = "example.com/ops";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(ORIGIN, 3, leaf_hash(b"root")).unwrap()
}

#[test]
fn a_checkpoint_of_the_go_checksum_database_verifies() {
    // The real log of sum.golang.org, as github.com/google/trillian-examples tests with it.
    let key: VerifierKey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8".parse().unwrap();
    let signed = "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n\
                  — sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n";
    let checkpoint = Checkpoint::open(signed, &[key]).unwrap();
    assert_eq!(checkpoint.origin(), "go.sum database tree");
    assert_eq!(checkpoint.size(), 6_476_701);
    assert_eq!(checkpoint.root().to_string(), "mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=");
}

#[test]
fn the_body_is_that_of_the_c2sp_example() {
    let body = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let checkpoint: Checkpoint = body.parse().unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size()), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.to_string(), body);
}

#[test]
fn extension_lines_are_kept() {
    let body = format!("{}one\nand another\n", checkpoint());
    let parsed: Checkpoint = body.parse().unwrap();
    assert_eq!(parsed.extensions(), ["one", "and another"]);
    assert_eq!(parsed.to_string(), body);
    let keys = [key(1).verifier()];
    assert_eq!(Checkpoint::open(&key(1).sign(&parsed), &keys).unwrap(), parsed);
}

#[test]
fn a_malformed_body_is_refused() {
    let root = Hash::EMPTY_ROOT.to_string();
    let malformed = [
        String::new(),
        "\n".into(),
        format!("{ORIGIN}\n3\n"),
        format!("{ORIGIN}\n3\n{root}"),
        format!("\n3\n{root}\n"),
        format!("{ORIGIN}\n\n{root}\n"),
        format!("{ORIGIN}\n03\n{root}\n"),
        format!("{ORIGIN}\n+3\n{root}\n"),
        format!("{ORIGIN}\n-3\n{root}\n"),
        format!("{ORIGIN}\n3 \n{root}\n"),
        format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
        format!("{ORIGIN}\n3\n{}\n", &root[..43]),
        format!("{ORIGIN}\n3\n{root}=\n"),
        format!("{ORIGIN}\n3\n{root}\n\n"),
        format!("{ORIGIN}\n3\n{root}\na\tb\n"),
        format!("{ORIGIN}\r\n3\n{root}\n"),
    ];
    for body in malformed {
        assert!(body.parse::<Checkpoint>().is_err(), "{body:?}");
    }
    assert!(format!("{ORIGIN}\n18446744073709551615\n{root}\n").parse::<Checkpoint>().is_ok());
}

#[test]
fn an_origin_that_would_break_the_format_is_refused() {
    for origin in ["", "two\nlines", "tab\t", &"x".repeat(1025)] {
        assert!(Checkpoint::new(origin, 0, Hash::EMPTY_ROOT).is_err(), "{origin:?}");
    }
}

#[test]
fn a_key_name_that_would_break_the_format_is_refused() {
    for name in ["", "two words", "a+b", "a\nb", "a\u{a0}b", "a\u{2028}b", "a\u{7f}b", &"x".repeat(1025)] {
        assert!(SigningKey::generate(name).is_err(), "{name:?}");
    }
}

#[test]
fn a_checkpoint_confirms_the_tree_that_was_signed_and_no_other() {
    let grown = |leaves: &[&[u8]]| {
        let mut tree = Frontier::default();
        for leaf in leaves {
            tree.push(leaf_hash(leaf));
        }
        tree
    };
    let tree = grown(&[b"one", b"two"]);
    let head = Checkpoint::new(ORIGIN, tree.size(), tree.root()).unwrap();
    head.confirm(&tree).unwrap();
    for forged in [grown(&[b"one"]), grown(&[b"one", b"2"]), grown(&[b"one", b"two", b"three"])] {
        assert!(head.confirm(&forged).is_err(), "{forged:?}");
    }
}

#[test]
fn signing_is_deterministic() {
    assert_eq!(key(1).sign(&checkpoint()), key(1).sign(&checkpoint()));
    assert_ne!(key(1).sign(&checkpoint()), key(2).sign(&checkpoint()));
}

#[test]
fn a_generated_key_is_kept_as_a_secret_and_read_again() {
    let key = SigningKey::generate(ORIGIN).unwrap();
    let restored = SigningKey::from_secret(&key.to_secret()).unwrap();
    assert_eq!(restored.verifier(), key.verifier());
    assert_eq!(restored.sign(&checkpoint()), key.sign(&checkpoint()));
    assert_ne!(SigningKey::generate(ORIGIN).unwrap().verifier(), key.verifier());
}

#[test]
fn a_signing_key_is_never_printed() {
    let secret = key(7).to_secret();
    let private = secret.expose().rsplit('+').next().unwrap();
    assert!(!format!("{:?}", key(7)).contains(private));

    let damaged = Secret::new(secret.expose().replacen("example", "elsewhere", 1));
    let error = SigningKey::from_secret(&damaged).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(private));

    let error = secret.expose().parse::<VerifierKey>().unwrap_err();
    assert!(error.message().contains("private key"), "{error}");
    assert!(!format!("{error} {error:?}").contains(private));
}

#[test]
fn an_unknown_key_is_named_with_the_known_ones() {
    let error = Checkpoint::open(&key(1).sign(&checkpoint()), &[key(2).verifier()]).unwrap_err();
    let known = format!("{ORIGIN}+{:08x}", key(2).verifier().id());
    assert!(error.message().contains(&known), "{error}");
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_signed_checkpoint_is_refused() {
    let signed = key(1).sign(&checkpoint());
    let keys = [key(1).verifier()];
    for place in 0..signed.len() {
        let mut bytes = signed.clone().into_bytes();
        bytes[place] ^= 1 << (place % 8);
        let Ok(text) = String::from_utf8(bytes) else { continue };
        assert!(Checkpoint::open(&text, &keys).is_err(), "byte {place}: {text}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), lines in "[a+ \n=0-9—]{0,60}") {
        let keys = [key(1).verifier()];
        for text in [text, lines] {
            prop_assert!(Checkpoint::open(&text, &keys).is_err());
            prop_assert!(text.parse::<VerifierKey>().is_err());
            prop_assert!(SigningKey::from_secret(&Secret::new(&*text)).is_err());
            let _ = (text.parse::<Checkpoint>(), text.parse::<Hash>());
        }
    }

    #[test]
    fn a_body_is_read_as_it_is_printed(origin in "[^\\x00-\\x1f\\x7f]{1,40}", size in any::<u64>(), root in any::<[u8; 32]>()) {
        let checkpoint = Checkpoint::new(origin, size, Hash::from_bytes(root)).unwrap();
        prop_assert_eq!(checkpoint.to_string().parse::<Checkpoint>().unwrap(), checkpoint);
    }
}
