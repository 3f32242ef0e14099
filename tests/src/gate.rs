//! A proxy that knows HTTP: each request is passed on, or answered with a status that nobody at the server knows of.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is to become of a request, by how many came before it since the plan was made.
pub type Plan = Box<dyn FnMut(u64) -> Option<u16> + Send>;

/// The seconds that a refused client is told to wait.
pub const WAIT: u64 = 7;

/// A gate before one server; it ends when it is dropped.
pub struct Gate {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    server: SocketAddr,
    plan: Mutex<Plan>,
    requests: AtomicU64,
    stop: AtomicBool,
}

impl Gate {
    /// Starts one before `server` that passes everything on.
    #[must_use]
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            server,
            plan: Mutex::new(Box::new(|_| None)),
            requests: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(&client, &state));
            }
        });
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    /// From now on goes by `plan`, and counts from 0 again.
    pub fn set(&self, plan: impl FnMut(u64) -> Option<u16> + Send + 'static) {
        let mut current = self.state.plan.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Box::new(plan);
        self.state.requests.store(0, Ordering::SeqCst);
    }

    /// Requests since the plan was made.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One request, for which the connection is good; errors on either side only end it.
fn serve(client: &TcpStream, state: &State) {
    let mut reader = BufReader::new(client);
    let Some((head, length)) = head(&mut reader) else {
        return;
    };
    let status = {
        let mut plan = state.plan.lock().unwrap_or_else(PoisonError::into_inner);
        (*plan)(state.requests.fetch_add(1, Ordering::SeqCst))
    };
    let body = &mut reader.take(length);
    let _ = match status {
        Some(status) => refuse(client, body, status),
        None => pass(client, body, &head, state.server),
    };
    let _ = client.shutdown(Shutdown::Both);
}

/// The head of a request, which asks for the connection's end, and the length of what follows.
fn head(reader: &mut impl BufRead) -> Option<(String, u64)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let lower = line.to_ascii_lowercase();
        if line.trim().is_empty() {
            head.push_str("connection: close\r\n\r\n");
            return Some((head, length));
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
}

fn refuse(mut client: &TcpStream, body: &mut impl Read, status: u16) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    std::io::copy(body, &mut std::io::sink())?;
    write!(
        client,
        "HTTP/1.1 {status} Gate\r\nretry-after: {WAIT}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
}

fn pass(mut client: &TcpStream, body: &mut impl Read, head: &str, server: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    server.write_all(head.as_bytes())?;
    std::io::copy(body, &mut server)?;
    std::io::copy(&mut server, &mut client).map(|_| ())
}
