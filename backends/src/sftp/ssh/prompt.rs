//! A connection that says at once what has arrived, while it logs in.
//!
//! Until the first program runs, sshd sends a small packet only when what it sent before has been acknowledged, and the
//! kernel acknowledges 40 ms late where nothing is to be sent along: every login would wait for that once.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Reads that a login has at most; after them the kernel does as it thinks best.
const LOGIN: u32 = 64;

/// The connection.
pub(super) struct Prompt {
    stream: TcpStream,
    reads: u32,
}

impl Prompt {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream, reads: 0 }
    }

    /// The kernel forgets it with the next that is sent.
    fn acknowledge(&mut self) {
        if self.reads < LOGIN {
            self.reads += 1;
            // Where that cannot be had, the login takes a little longer.
            let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
        }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.acknowledge();
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_arrives_in_a_login_is_acknowledged_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut prompt = Prompt::new(stream);
        for turn in 0..LOGIN {
            // A question and its answer: the kernel waits with the next acknowledgement for one more question.
            prompt.write_all(b"question").await.unwrap();
            server.read_exact(&mut [0; 8]).await.unwrap();
            server.write_all(b"answer").await.unwrap();
            prompt.read_exact(&mut [0; 6]).await.unwrap();
            assert!(
                rustix::net::sockopt::tcp_quickack(&prompt.stream).unwrap(),
                "turn {turn}"
            );
        }
    }
}
