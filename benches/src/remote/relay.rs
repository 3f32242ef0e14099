//! A line with a delay: what goes in at one end comes out at the other so much later, and as fast.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes on their way in one direction: enough for a gigabit and 20 ms many times over.
const WINDOW: usize = 16 << 20;

const PIECE: usize = 64 << 10;

/// A relay before one server, as long as the process lives.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    sent: Arc<AtomicU64>,
}

impl Relay {
    /// Listens on loopback and passes everything on to `server`, each way `one_way` later. A new connection takes one round
    /// trip, as a handshake does.
    pub fn start(server: SocketAddr, one_way: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                thread::spawn(move || serve(client, server, one_way, counter));
            }
        });
        Ok(Self { address, sent })
    }

    /// Bytes that have gone to the server.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

fn serve(client: TcpStream, server: SocketAddr, one_way: Duration, counter: Arc<AtomicU64>) {
    thread::sleep(2 * one_way);
    let Ok(server) = TcpStream::connect(server) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(up_from), Ok(up_to)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let up = thread::spawn(move || pass(up_from, up_to, one_way, &counter));
    pass(server, client, one_way, &AtomicU64::new(0));
    let _ = up.join();
}

/// What is on its way.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    ended: bool,
}

/// One direction, until its source ends.
fn pass(mut from: TcpStream, to: TcpStream, delay: Duration, counter: &AtomicU64) {
    let line = Arc::new(Line::default());
    let writer = thread::spawn({
        let line = Arc::clone(&line);
        move || line.write(to)
    });
    let mut buffer = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        counter.fetch_add(read as u64, Ordering::Relaxed);
        if !line.put(Instant::now() + delay, buffer.get(..read).unwrap_or_default()) {
            break;
        }
    }
    line.end();
    let _ = writer.join();
}

impl Line {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a piece when there is room for it; `false` when nobody takes it out any more.
    fn put(&self, due: Instant, piece: &[u8]) -> bool {
        let state = self.lock();
        let full = |state: &mut State| state.bytes >= WINDOW && !state.ended;
        let mut state = self
            .changed
            .wait_while(state, full)
            .unwrap_or_else(PoisonError::into_inner);
        if state.ended {
            return false;
        }
        state.bytes += piece.len();
        state.pieces.push_back((due, piece.to_vec()));
        self.changed.notify_all();
        true
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn write(&self, mut to: TcpStream) {
        loop {
            let state = self.lock();
            let idle = |state: &mut State| state.pieces.is_empty() && !state.ended;
            let mut state = self
                .changed
                .wait_while(state, idle)
                .unwrap_or_else(PoisonError::into_inner);
            let Some((due, piece)) = state.pieces.pop_front() else {
                break;
            };
            state.bytes -= piece.len();
            drop(state);
            self.changed.notify_all();
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        self.end();
        let _ = to.shutdown(Shutdown::Both);
    }
}
