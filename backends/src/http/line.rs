use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::Options;
use crate::layers::Rate;

/// Makes encrypted lines where the address asks for them, and paces them all.
pub(super) struct Lines {
    config: Arc<ClientConfig>,
    up: Option<Arc<Rate>>,
    down: Option<Arc<Rate>>,
}

impl Lines {
    pub(super) fn new(config: ClientConfig, options: &Options) -> Self {
        Self {
            config: Arc::new(config),
            up: options.up.clone(),
            down: options.down.clone(),
        }
    }

    fn encrypt<T: Transport>(&self, details: &ConnectionDetails<'_>, plain: T) -> Result<Encrypted<T>, Error> {
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| Error::Tls("the server's name is no name"))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut socket = TransportAdapter::new(plain, Arc::clone(&details.current_time));
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        Ok(Encrypted {
            buffers: LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size()),
            stream: StreamOwned {
                conn: connection,
                sock: socket,
            },
        })
    }
}

impl<In: Transport> Connector<In> for Lines {
    type Out = Line<In>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(plain) = chained else {
            return Ok(None);
        };
        let kind = if details.needs_tls() {
            Kind::Encrypted(Box::new(self.encrypt(details, plain)?))
        } else {
            Kind::Plain(plain)
        };
        Ok(Some(Line {
            kind,
            up: self.up.clone(),
            down: self.down.clone(),
            broken: None,
        }))
    }
}

/// One connection to a server.
pub(super) struct Line<T: Transport> {
    kind: Kind<T>,
    up: Option<Arc<Rate>>,
    down: Option<Arc<Rate>>,
    /// Why nothing more can be sent.
    broken: Option<Error>,
}

enum Kind<T: Transport> {
    Plain(T),
    Encrypted(Box<Encrypted<T>>),
}

impl<T: Transport> Line<T> {
    fn inner(&mut self) -> &mut dyn Transport {
        match &mut self.kind {
            Kind::Plain(plain) => plain,
            Kind::Encrypted(encrypted) => encrypted.as_mut(),
        }
    }
}

impl<T: Transport> Transport for Line<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner().buffers()
    }

    /// A server that refuses an upload says so and hangs up before it has all: when sending breaks, the rest is not
    /// sent, and the answer, which may be there, is read first.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.broken.is_some() {
            return Ok(());
        }
        if let Some(up) = &self.up {
            up.take(amount as u64);
        }
        match self.inner().transmit_output(amount, timeout) {
            Err(Error::Io(error)) if is_hang_up(&error) => {
                self.broken = Some(Error::Io(error));
                Ok(())
            }
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let before = self.inner().buffers().input().len();
        let outcome = self.inner().await_input(timeout);
        if let (Ok(false) | Err(_), Some(broken)) = (&outcome, self.broken.take()) {
            return Err(broken);
        }
        let progress = outcome?;
        let now = self.inner().buffers().input().len();
        if let Some(down) = &self.down {
            down.take(now.saturating_sub(before) as u64);
        }
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.broken.is_none() && self.inner().is_open()
    }

    fn is_tls(&self) -> bool {
        matches!(self.kind, Kind::Encrypted(_))
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

struct Encrypted<T: Transport> {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter<T>>,
}

impl<T: Transport> Transport for Encrypted<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(self.stream.flush()?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

impl<T: Transport> fmt::Debug for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl<T: Transport> fmt::Debug for Encrypted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted")
    }
}
