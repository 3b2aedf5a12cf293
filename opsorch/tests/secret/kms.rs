//! Envelope encryption: an encrypted file whose data key a service wrapped.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use opsorch::secret::{DataKey, EncryptedFile, EncryptionKey, Key, Kms, KmsContext, Secret, SecretStore};
use opsorch::{Error, ErrorKind, Result, async_trait};

use crate::CANARY;

/// A service that keeps its data keys in a map. What it hands out as wrapped is a number.
#[derive(Debug, Default)]
struct Double {
    keys: Mutex<BTreeMap<Vec<u8>, (Key, KmsContext)>>,
    made: AtomicU32,
    unwrapped: AtomicU32,
}

#[async_trait]
impl Kms for Double {
    async fn generate_data_key(&self, context: &KmsContext) -> Result<DataKey> {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let (key, wrapped) = (Key::generate()?, format!("wrapped {number}").into_bytes());
        self.keys.lock().unwrap().insert(wrapped.clone(), (key.clone(), context.clone()));
        Ok(DataKey::new(key, wrapped))
    }

    async fn unwrap_data_key(&self, wrapped: &[u8], context: &KmsContext) -> Result<Key> {
        self.unwrapped.fetch_add(1, Ordering::SeqCst);
        match self.keys.lock().unwrap().get(wrapped) {
            Some((key, made_for)) if made_for == context => Ok(key.clone()),
            _ => Err(Error::invalid("kms.wrapped", "the key was not wrapped here")),
        }
    }
}

fn open(path: &std::path::Path, kms: &Arc<Double>) -> EncryptedFile {
    EncryptedFile::new(path, EncryptionKey::from_kms(Arc::<Double>::clone(kms)))
}

#[tokio::test]
async fn a_data_key_is_made_once_for_a_file_and_unwrapped_once_in_a_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let kms = Arc::new(Double::default());
    let store = open(&path, &kms);
    for name in ["a", "b", "c"] {
        store.put(name, &Secret::new(CANARY)).await.unwrap();
    }
    assert_eq!((kms.made.load(Ordering::SeqCst), kms.unwrapped.load(Ordering::SeqCst)), (1, 0));

    let later = open(&path, &kms);
    for name in ["a", "b", "c"] {
        assert_eq!(later.get(name).await.unwrap().expose(), CANARY);
    }
    assert_eq!((kms.made.load(Ordering::SeqCst), kms.unwrapped.load(Ordering::SeqCst)), (1, 1));

    later.rotate().await.unwrap();
    assert_eq!(later.get("a").await.unwrap().expose(), CANARY);
    assert_eq!(store.get("a").await.unwrap().expose(), CANARY, "another process sees the new data key");
    assert_eq!((kms.made.load(Ordering::SeqCst), kms.unwrapped.load(Ordering::SeqCst)), (2, 2));
}

#[tokio::test]
async fn the_file_holds_the_wrapped_key_and_not_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let kms = Arc::new(Double::default());
    open(&path, &kms).put("a", &Secret::new(CANARY)).await.unwrap();
    let bytes = fs::read(&path).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"wrapped 0"));
    let keys = kms.keys.lock().unwrap();
    let (key, context) = keys.values().next().unwrap();
    assert!(!holds(key.expose()) && !holds(CANARY.as_bytes()));
    assert_eq!(context["opsorch:purpose"], "secrets");
    assert_eq!(context["opsorch:file"].len(), 32);
}

#[tokio::test]
async fn a_wrapped_key_opens_no_other_file_and_no_other_service_opens_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let kms = Arc::new(Double::default());
    open(&path, &kms).put("a", &Secret::new(CANARY)).await.unwrap();
    let error = open(&path, &Arc::default()).get("a").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { field } if field == "kms.wrapped"), "{error}");
    let error = EncryptedFile::new(&path, Key::generate().unwrap()).get("a").await.unwrap_err();
    assert!(error.message().ends_with("it is locked with the data key of a KMS"), "{error}");
}

/// A service that is down.
#[derive(Debug)]
struct Down;

#[async_trait]
impl Kms for Down {
    async fn generate_data_key(&self, _: &KmsContext) -> Result<DataKey> {
        Err(Error::new(ErrorKind::Unavailable, "down"))
    }

    async fn unwrap_data_key(&self, _: &[u8], _: &KmsContext) -> Result<Key> {
        Err(Error::new(ErrorKind::Unavailable, "down"))
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_no_missing_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    let down = || EncryptedFile::new(&path, EncryptionKey::from_kms(Arc::new(Down)));
    assert_eq!(*down().put("a", &Secret::new("x")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!path.exists());
    open(&path, &Arc::default()).put("a", &Secret::new("x")).await.unwrap();
    assert_eq!(*down().get("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
}
