//! Signature version 4 of AWS.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use opsorch_schema::Time;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Who signs, for which service, and when.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a Secret,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) time: Time,
}

/// What is signed. The path and the query are as they are sent, encoded, the query sorted.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// All headers that are signed, `host` among them, by their names in lower case, sorted.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

impl Signer<'_> {
    /// The time as the header `x-amz-date` has it.
    pub(super) fn date(&self) -> String {
        self.time.format("%Y%m%dT%H%M%SZ").to_string()
    }

    /// The value of the header `authorization`.
    pub(super) fn authorization(&self, request: &Signed<'_>) -> String {
        let scope = format!("{}/{}/{}/aws4_request", self.time.format("%Y%m%d"), self.region, self.service);
        let digest = hex(&Sha256::digest(request.canonical().as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", self.date());
        let signature = hex(&*hmac(&*self.key(), text.as_bytes()));
        let (id, names) = (self.access_key_id, request.header_names());
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }

    /// The key of one day, region and service.
    fn key(&self) -> Zeroizing<[u8; 32]> {
        let secret = Zeroizing::new(["AWS4", self.secret_access_key.expose()].concat());
        let date = hmac(secret.as_bytes(), self.time.format("%Y%m%d").to_string().as_bytes());
        let region = hmac(&*date, self.region.as_bytes());
        let service = hmac(&*region, self.service.as_bytes());
        hmac(&*service, b"aws4_request")
    }
}

impl Signed<'_> {
    fn canonical(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for (name, value) in self.headers {
            let words: Vec<&str> = value.split_whitespace().collect();
            text += &format!("{name}:{}\n", words.join(" "));
        }
        text + &format!("\n{}\n{}", self.header_names(), hex(&Sha256::digest(self.body)))
    }

    fn header_names(&self) -> String {
        self.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Zeroizing<[u8; 32]> {
    // HMAC takes keys of any length; the branch for an error is never taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Zeroizing::default() };
    mac.update(text);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The credentials and the time of AWS's test suite for signature version 4.
    fn signature(service: &str, request: &Signed<'_>) -> String {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let time = "2015-08-30T12:36:00Z".parse().unwrap();
        let (access_key_id, region) = ("AKIDEXAMPLE", "us-east-1");
        let signer = Signer { access_key_id, secret_access_key: &secret, region, service, time };
        signer.authorization(request)
    }

    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");

    #[test]
    fn requests_are_signed_as_in_the_test_suite_of_aws() {
        let get = Signed { method: "GET", path: "/", query: "", headers: &[HOST, DATE], body: b"" };
        assert_eq!(
            signature("service", &get),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        let cases: [(&str, Signed<'_>, &str); 4] = [
            (
                "post-vanilla",
                Signed { method: "POST", ..get },
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "get-vanilla-query-order-key-case",
                Signed { query: "Param1=value1&Param2=value2", ..get },
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "post-header-value-case",
                Signed { method: "POST", headers: &[HOST, ("my-header1", "VALUE1"), DATE], ..get },
                "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            ),
            (
                "post-x-www-form-urlencoded",
                Signed {
                    method: "POST",
                    headers: &[("content-type", "application/x-www-form-urlencoded"), HOST, DATE],
                    body: b"Param1=value1",
                    ..get
                },
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ];
        for (name, request, expected) in cases {
            assert!(signature("service", &request).ends_with(expected), "{name}");
        }
    }

    #[test]
    fn the_example_of_the_documentation_is_signed_as_there() {
        let kind = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let request = Signed {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &[kind, ("host", "iam.amazonaws.com"), DATE],
            body: b"",
        };
        assert!(
            signature("iam", &request)
                .ends_with("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
        );
    }

    #[test]
    fn the_key_of_a_day_is_that_of_the_documentation() {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let time = "2015-08-30T12:36:00Z".parse().unwrap();
        let signer =
            Signer { access_key_id: "", secret_access_key: &secret, region: "us-east-1", service: "iam", time };
        assert_eq!(hex(&*signer.key()), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }
}
