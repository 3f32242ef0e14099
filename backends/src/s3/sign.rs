use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Secret;
use crate::http::escape;

/// What is signed instead of a body that the connection protects already.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Who signs, and for where.
pub(super) struct Signer<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a Secret,
    pub(super) region: &'a str,
}

/// A request as far as it is signed (AWS Signature Version 4, for the service S3).
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    /// Escaped, as it is sent.
    pub(super) path: &'a str,
    /// Names and values, not escaped.
    pub(super) query: &'a [(&'a str, String)],
    /// Names of small letters that begin with `x-amz-`, sorted.
    pub(super) headers: &'a [(&'static str, String)],
    /// The digest of the body, in hexadecimal digits.
    pub(super) payload: &'a str,
}

impl Signer<'_> {
    /// The `Authorization` header of `request`, made at `time` (`20130524T000000Z`).
    pub(super) fn authorization(&self, request: &Request<'_>, time: &str) -> String {
        let date = time.get(..8).unwrap_or_default();
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let mut headers = vec![
            ("host", request.host),
            ("x-amz-content-sha256", request.payload),
            ("x-amz-date", time),
        ];
        headers.extend(request.headers.iter().map(|(name, value)| (*name, value.trim())));
        headers.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{}",
            request.method,
            request.path,
            query(request.query),
            request.payload
        );
        let digest = HEXLOWER.encode(&Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let signature = HEXLOWER.encode(&self.mac(date, &text));
        let access_key = self.access_key;
        format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}")
    }

    fn mac(&self, date: &str, text: &str) -> Vec<u8> {
        let mut key = Zeroizing::new(format!("AWS4{}", self.secret_key.reveal()).into_bytes());
        for part in [date, self.region, "s3", "aws4_request", text] {
            key = Zeroizing::new(hmac(&key, part.as_bytes()));
        }
        key.to_vec()
    }
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// The query as it is sent and signed: sorted and escaped.
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let escaped = |text: &str| escape::value(text.as_bytes());
    let mut pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
        .collect();
    pairs.sort_unstable();
    pairs.join("&")
}
