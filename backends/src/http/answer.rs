use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Response};

use super::{Failure, Refusal};

/// No message of a server is longer than what is worth showing.
const MESSAGE: u64 = 64 << 10;

/// What is set aside for an object before its bytes come: a server may claim any length.
const AHEAD: u64 = 64 << 20;

/// A server's answer; its body is read when it is asked for.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: ureq::Body,
}

impl Answer {
    pub(super) fn new(response: Response<ureq::Body>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The length that the server claims for the body, or, after HEAD, for the object.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length").and_then(|value| value.parse().ok())
    }

    /// This answer if its status is one of `good`, otherwise what the server had against it.
    pub(crate) fn expect(self, good: &[u16]) -> Result<Self, Failure> {
        if good.contains(&self.status) {
            return Ok(self);
        }
        Err(self.refusal().into())
    }

    /// The answer as a refusal, with the text of its body.
    pub(crate) fn refusal(self) -> Refusal {
        let wait = self.header("retry-after").and_then(|value| value.trim().parse().ok());
        let location = self.header("location").map(str::to_owned);
        let (status, text) = (self.status, self.text());
        Refusal {
            status,
            text,
            location,
            wait: wait.map(Duration::from_secs),
        }
    }

    /// The beginning of the body as text, as far as it can be had.
    pub(crate) fn text(self) -> String {
        let mut bytes = Vec::new();
        let _ = self.reader().take(MESSAGE).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The body, which fails when it ends early.
    pub(crate) fn reader(self) -> impl Read + 'static {
        self.body.into_with_config().limit(u64::MAX).reader()
    }

    /// Reads the body to its end and forgets it, so that the connection can be used again.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        std::io::copy(&mut self.reader(), &mut std::io::sink())?;
        Ok(())
    }

    /// The whole body, whose length the server must have said.
    pub(crate) fn bytes(self) -> Result<Vec<u8>, Failure> {
        self.check_end()?;
        let length = self.length();
        let mut bytes = Vec::with_capacity(usize::try_from(length.unwrap_or(0).min(AHEAD)).unwrap_or(0));
        self.reader().read_to_end(&mut bytes)?;
        match length {
            Some(wanted) if wanted != bytes.len() as u64 => {
                Err(Failure::Nonsense(format!("{} of {wanted} bytes came", bytes.len())))
            }
            _ => Ok(bytes),
        }
    }

    /// A body that ends with the connection may have been cut.
    pub(super) fn check_end(&self) -> Result<(), Failure> {
        let chunked = self
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if chunked || self.length().is_some() {
            return Ok(());
        }
        Err(Failure::Nonsense(
            "the server does not say how long its answer is".to_owned(),
        ))
    }
}
