//! Attacks on the encrypted file: each bit, each length, and the repaired checksum of one who knows the format.

use std::fs;
use std::path::Path;

use opsorch::ErrorKind;
use opsorch::secret::{EncryptedFile, Key, Secret, SecretStore};
use sha2::{Digest, Sha256};

/// A file of two small secrets, and its key.
async fn sample(path: &Path) -> (Vec<u8>, Key) {
    let key = Key::generate().unwrap();
    let store = EncryptedFile::new(path, key.clone());
    store.put("a", &Secret::new("first")).await.unwrap();
    store.put("b", &Secret::new("other")).await.unwrap();
    (fs::read(path).unwrap(), key)
}

/// What a reader makes of these bytes: whether every way to read them is refused, and with which error.
async fn read(path: &Path, bytes: &[u8], key: &Key) -> Option<opsorch::Error> {
    fs::write(path, bytes).unwrap();
    let store = EncryptedFile::new(path, key.clone());
    let refused = [
        store.names().await.map(drop).err(),
        store.get("a").await.map(drop).err(),
        store.get("b").await.map(drop).err(),
        store.put("c", &Secret::new("x")).await.err(),
    ];
    assert_eq!(fs::read(path).unwrap() == bytes, refused[3].is_some(), "a file that is refused is not written");
    let refused: Option<Vec<_>> = refused.into_iter().collect();
    refused.map(|mut errors| errors.remove(0))
}

/// The same with a checksum that is right again.
fn repaired(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 32;
    let sum = Sha256::digest(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum);
    bytes
}

#[tokio::test]
async fn every_flipped_bit_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let (bytes, key) = sample(&path).await;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let error =
                read(&path, &flipped, &key).await.unwrap_or_else(|| panic!("bit {bit} of byte {at} is not missed"));
            assert_eq!(*error.kind(), ErrorKind::Unexpected, "byte {at}: {error}");
            assert!(error.message().contains("damaged"), "byte {at}: {error}");
        }
    }
}

#[tokio::test]
async fn every_flipped_bit_under_a_repaired_checksum_is_found_by_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let (bytes, key) = sample(&path).await;
    let mut changed = 0;
    for at in 0..bytes.len() - 32 {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let error = read(&path, &repaired(flipped), &key).await;
            let error = error.unwrap_or_else(|| panic!("bit {bit} of byte {at} is not missed"));
            changed += usize::from(error.message().contains("changed by somebody"));
        }
    }
    assert!(changed > 1000, "most of it is told from a wrong key: {changed}");
}

#[tokio::test]
async fn every_shorter_and_longer_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let (bytes, key) = sample(&path).await;
    for length in 0..bytes.len() {
        let cut = bytes[..length].to_vec();
        assert!(read(&path, &cut, &key).await.is_some(), "{length} bytes");
        if length >= 64 {
            assert!(read(&path, &repaired(cut), &key).await.is_some(), "{length} bytes with a good checksum");
        }
    }
    for more in [vec![0], vec![0; 32], bytes.clone()] {
        let longer = [bytes.clone(), more].concat();
        assert!(read(&path, &longer, &key).await.is_some());
        assert!(read(&path, &repaired(longer), &key).await.is_some());
    }
}

/// Where the two entries are, from the length of the name to the end of the tag, found by their layout.
fn entries(bytes: &[u8]) -> [std::ops::Range<usize>; 2] {
    let length = 2 + 1 + 4 + 24 + 5 + 16;
    let first = bytes.windows(3).position(|window| window == [0, 1, b'a']).unwrap();
    [first..first + length, first + length..first + 2 * length]
}

#[tokio::test]
async fn swapped_removed_repeated_and_older_entries_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let (bytes, key) = sample(&path).await;
    let [a, b] = entries(&bytes);
    assert_eq!(bytes[b.start + 2], b'b');
    let (first, second) = (bytes[a.clone()].to_vec(), bytes[b.clone()].to_vec());
    let (before, after) = (&bytes[..a.start], &bytes[b.end..]);
    let mut count = before.to_vec();
    let last = count.len() - 1;

    // The values under each other's names.
    let (mut one, mut other) = (first.clone(), second.clone());
    one[3..].copy_from_slice(&second[3..]);
    other[3..].copy_from_slice(&first[3..]);
    let swapped = [before, &one, &other, after].concat();
    // The last entry cut off, and the list said to be shorter.
    count[last] = 1;
    let cut = [&count, &*first, after].concat();
    count[last] = 0;
    let emptied = [&count, after].concat();
    count[last] = 3;
    let repeated = [&count, &*first, &second, &second, after].concat();
    // An entry as an earlier generation of the same file had it.
    let store = EncryptedFile::new(&path, key.clone());
    fs::write(&path, &bytes).unwrap();
    store.put("a", &Secret::new("newer")).await.unwrap();
    let mut older = fs::read(&path).unwrap();
    older[a].copy_from_slice(&first);

    for (what, attacked) in
        [("swapped", swapped), ("cut", cut), ("emptied", emptied), ("repeated", repeated), ("older", older)]
    {
        let error = read(&path, &repaired(attacked), &key).await.unwrap_or_else(|| panic!("{what} is not missed"));
        assert_eq!(*error.kind(), ErrorKind::Unexpected, "{what}: {error}");
    }
}

#[tokio::test]
async fn a_file_of_something_else_is_said_to_be_that() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let key = Key::generate().unwrap();
    for content in
        [b"".as_slice(), b"{}", b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIP\n-----END PRIVATE KEY-----\n"]
    {
        fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let error = read(&path, content, &key).await.unwrap();
        assert!(error.message().contains("is it the right one?"), "{error}");
    }
}
