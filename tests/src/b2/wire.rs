use std::collections::HashMap;
use std::io::{BufRead, Read, Write};

use serde_json::{Value, json};

/// A request, body and all.
pub struct Request {
    pub method: String,
    pub path: String,
    headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The next one of a connection; `None` when it ends or makes no sense.
    pub fn read(reader: &mut impl BufRead) -> Option<Self> {
        let first = line(reader)?;
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = HashMap::new();
        loop {
            let line = line(reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers
            .get("content-length")
            .map_or(Some(0), |value| value.parse().ok())?;
        let mut body = Vec::new();
        let read = reader.take(length).read_to_end(&mut body).ok()?;
        (read as u64 == length).then_some(Self {
            method,
            path,
            headers,
            body,
        })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}

/// An answer.
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub fn json(value: &Value) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: value.to_string().into_bytes(),
        }
    }

    pub fn no(status: u16, code: &str, message: &str) -> Self {
        let value = json!({ "status": status, "code": code, "message": message });
        Self {
            status,
            ..Self::json(&value)
        }
    }

    /// A file's content, or the part of it that `range` asks for.
    pub fn content(bytes: &[u8], digest: &str, range: &str) -> Self {
        let total = bytes.len();
        let part = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
        let digest = ("x-bz-content-sha1", digest.to_owned());
        let Some((first, last)) = part else {
            return Self {
                status: 200,
                headers: vec![digest],
                body: bytes.to_vec(),
            };
        };
        let first: usize = first.parse().unwrap_or(usize::MAX);
        let last = last.parse().unwrap_or(usize::MAX).min(total.saturating_sub(1));
        if first >= total {
            return Self::no(416, "range_not_satisfiable", "the range is outside of the file");
        }
        Self {
            status: 206,
            headers: vec![digest, ("content-range", format!("bytes {first}-{last}/{total}"))],
            body: bytes[first..=last].to_vec(),
        }
    }

    /// Writes it; the `last` one of a connection says so.
    pub fn write(&self, mut stream: impl Write, head_only: bool, last: bool) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", self.status, self.body.len());
        if last {
            head.push_str("connection: close\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        if !head_only {
            stream.write_all(&self.body)?;
        }
        stream.flush()
    }
}
