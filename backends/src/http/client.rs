use std::io::{self, Read};

use data_encoding::BASE64;
use engine_api::{Body, Cause};
use ureq::http::{HeaderName, HeaderValue, Method, Request};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, TcpConnector};
use ureq::{Agent, SendBody};
use zeroize::Zeroizing;

use super::failure::SourceFault;
use super::line::Lines;
use super::{Answer, Failure, Options, Trust};
use crate::Secret;

/// Enough to keep a fast line full, and little beside the packs in memory.
const BUFFER: usize = 64 << 10;

/// Sends requests over connections that it keeps.
pub(crate) struct Client {
    agent: Agent,
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) headers: Vec<(&'static str, Zeroizing<String>)>,
    /// `None` sends no body and says nothing about one.
    pub(crate) body: Option<Body<'a>>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: &'a str, url: &'a str) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Zeroizing::new(value.into())));
        self
    }

    pub(crate) fn header_if(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    pub(crate) fn body(mut self, body: Body<'a>) -> Self {
        self.body = Some(body);
        self
    }

    /// Asks for `length` bytes at `offset`; `length` is not 0.
    pub(crate) fn range(self, offset: u64, length: u64) -> Self {
        let last = offset.saturating_add(length).saturating_sub(1);
        self.header("range", format!("bytes={offset}-{last}"))
    }
}

impl Client {
    pub(crate) fn new(trust: &Trust, options: &Options, connections: usize) -> Result<Self, Cause> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_resolve(Some(options.connect))
            .timeout_connect(Some(options.connect))
            .timeout_per_read(Some(options.stall))
            .timeout_per_write(Some(options.stall))
            .build();
        let connector = ().chain(TcpConnector::default()).chain(Lines::new(trust.config()?, options));
        Ok(Self {
            agent: Agent::with_parts(config, connector, DefaultResolver::default()),
        })
    }

    /// Sends `call` and returns the answer, whatever it says.
    pub(crate) fn send(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(Method::from_bytes(call.method.as_bytes()).map_err(Failure::request)?)
            .uri(call.url);
        for (name, value) in &call.headers {
            let mut value = HeaderValue::from_str(value).map_err(Failure::request)?;
            value.set_sensitive(true);
            request = request.header(HeaderName::from_static(name), value);
        }
        let Some(body) = call.body else {
            let request = request.body(()).map_err(Failure::request)?;
            return Ok(Answer::new(self.agent.run(request)?));
        };
        let request = request.header("content-length", body.len());
        let mut exact = Exact {
            reader: body.reader(),
            left: body.len(),
        };
        let request = request
            .body(SendBody::from_reader(&mut exact))
            .map_err(Failure::request)?;
        Ok(Answer::new(self.agent.run(request)?))
    }
}

/// The header that carries a login.
pub(crate) fn basic(user: &str, password: &Secret) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{}", password.reveal()));
    let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", encoded.as_str()))
}

/// A body that ends where it said, or fails: half an object must never look like a whole one.
struct Exact<'a> {
    reader: Box<dyn Read + Send + 'a>,
    left: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(window) = buffer.get_mut(..most).filter(|window| !window.is_empty()) else {
            return Ok(0);
        };
        let read = self.reader.read(window).map_err(SourceFault::wrap)?;
        if read == 0 {
            return Err(SourceFault::wrap(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
