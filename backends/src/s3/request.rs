use std::io::Read;

use data_encoding::{BASE64, HEXLOWER};
use engine_api::Body;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::sign::{self, Signer, UNSIGNED};
use super::{S3, errors};
use crate::http::{Answer, Call, Failure};

/// A signed request in the making.
pub(super) struct Request<'a> {
    s3: &'a S3,
    method: &'static str,
    name: &'a [u8],
    query: Vec<(&'a str, String)>,
    /// Signed with the rest; their names begin with `x-amz-`.
    signed: Vec<(&'static str, String)>,
    plain: Vec<(&'static str, String)>,
    body: Option<Body<'a>>,
    checksum: bool,
}

impl S3 {
    /// A request about the object `name`; the empty one is the bucket.
    pub(super) fn request<'a>(&'a self, method: &'static str, name: &'a [u8]) -> Request<'a> {
        Request {
            s3: self,
            method,
            name,
            query: Vec::new(),
            signed: Vec::new(),
            plain: Vec::new(),
            body: None,
            checksum: false,
        }
    }
}

impl<'a> Request<'a> {
    pub(super) fn query(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn signed(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.signed.push((name, value.into()));
        self
    }

    pub(super) fn plain(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.plain.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Body<'a>) -> Self {
        self.body = Some(body);
        self
    }

    /// The same with digests of the body, over TLS too.
    pub(super) fn with_checksum(mut self, yes: bool) -> Self {
        self.checksum = yes;
        self
    }

    pub(super) fn range(self, offset: u64, length: u64) -> Self {
        let last = offset.saturating_add(length).saturating_sub(1);
        self.plain("range", format!("bytes={offset}-{last}"))
    }

    /// Sends it; an answer that is not a success is a failure.
    pub(super) fn send(self) -> Result<Answer, Failure> {
        let answer = self.send_any()?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        Err(errors::meaning(answer.refusal()))
    }

    /// Sends it and returns whatever the server answers.
    pub(super) fn send_any(mut self) -> Result<Answer, Failure> {
        let endpoint = &self.s3.endpoint;
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let payload = self.payload()?;
        self.signed.sort_unstable();
        let (host, path) = (endpoint.host(), endpoint.path(self.name));
        let signer = Signer {
            access_key: &self.s3.access_key,
            secret_key: &self.s3.secret_key,
            region: &endpoint.region,
        };
        let signed = sign::Request {
            method: self.method,
            host: &host,
            path: &path,
            query: &self.query,
            headers: &self.signed,
            payload: &payload,
        };
        let authorization = signer.authorization(&signed, &time);
        let url = endpoint.url(&path, &sign::query(&self.query));
        let mut call = Call::new(self.method, &url)
            .header("authorization", authorization)
            .header("x-amz-date", time)
            .header("x-amz-content-sha256", payload);
        for (name, value) in self.signed.into_iter().chain(self.plain) {
            call = call.header(name, value);
        }
        call.body = self.body;
        self.s3.client.send(call)
    }

    /// What stands for the body in the signature.
    fn payload(&mut self) -> Result<String, Failure> {
        let known = match self.body {
            Some(Body::Digested { sha256, .. }) => Some(HEXLOWER.encode(sha256)),
            _ => None,
        };
        if !self.checksum && self.s3.endpoint.is_encrypted() {
            return Ok(known.unwrap_or_else(|| UNSIGNED.to_owned()));
        }
        let mut digest = Sha256::new();
        let mut md5 = Md5::new();
        if let Some(body) = self.body {
            let mut reader = body.reader().take(body.len());
            let mut buffer = vec![0; 64 << 10];
            loop {
                let read = reader.read(&mut buffer).map_err(Failure::Source)?;
                if read == 0 {
                    break;
                }
                let piece = buffer.get(..read).unwrap_or_default();
                if known.is_none() {
                    digest.update(piece);
                }
                md5.update(piece);
            }
            // Some servers check this digest only, and buckets that lock their objects want it.
            self.plain.push(("content-md5", BASE64.encode(&md5.finalize())));
        }
        Ok(known.unwrap_or_else(|| HEXLOWER.encode(&digest.finalize())))
    }
}
