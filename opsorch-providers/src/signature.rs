//! Signatures of webhooks: HMAC-SHA256 over what came, compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use opsorch::secret::Secret;
use sha2::Sha256;

/// Whether one of the keys signed these parts, put together, with this signature in hexadecimal digits. Several keys are
/// for the time of a rotation. Every key is tried, so that the time does not tell which one it was.
pub(crate) fn is_signed(keys: &[Secret], parts: &[&[u8]], signature: &str) -> bool {
    let Some(signature) = digits(signature) else { return false };
    keys.iter().fold(false, |signed, key| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else { return signed };
        parts.iter().for_each(|part| mac.update(part));
        // It compares in constant time.
        mac.verify_slice(&signature).is_ok() | signed
    })
}

/// The bytes that hexadecimal digits say; `None` for anything but a SHA-256.
fn digits(text: &str) -> Option<[u8; 32]> {
    let (mut bytes, text) = ([0; 32], text.as_bytes());
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let mut value = 0;
        for digit in pair {
            value = value * 16 + char::from(*digit).to_digit(16)?;
        }
        *byte = u8::try_from(value).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of GitHub's documentation, "Testing the webhook payload validation".
    const KEY: &str = "It's a Secret to Everybody";
    const SIGNATURE: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn keys(keys: &[&str]) -> Vec<Secret> {
        keys.iter().map(|key| Secret::new(*key)).collect()
    }

    #[test]
    fn a_signature_is_of_these_bytes_by_one_of_these_keys() {
        assert!(is_signed(&keys(&[KEY]), &[b"Hello, ", b"World!"], SIGNATURE));
        assert!(is_signed(&keys(&["the next one", KEY]), &[b"Hello, World!"], &SIGNATURE.to_uppercase()));
        assert!(!is_signed(&keys(&[KEY]), &[b"Hello, World"], SIGNATURE));
        assert!(!is_signed(&keys(&["the next one"]), &[b"Hello, World!"], SIGNATURE));
        assert!(!is_signed(&[], &[b"Hello, World!"], SIGNATURE), "without a key nothing is signed");
    }

    #[test]
    fn what_is_no_signature_signs_nothing() {
        for signature in ["", "757107", &SIGNATURE[1..], &format!("{SIGNATURE}00"), &"zz".repeat(32), &"é".repeat(32)]
        {
            assert!(!is_signed(&keys(&[KEY]), &[b"Hello, World!"], signature), "{signature}");
        }
    }
}
