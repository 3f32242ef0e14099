//! A proxy between a storage and its server that cuts, delays, corrupts or answers itself: what networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What becomes of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Cut for good after so many bytes to the server.
    CutUp(u64),
    /// Cut for good after so many bytes from the server.
    CutDown(u64),
    /// A bit flips in the byte of this number on the way to the server.
    FlipUp(u64),
    /// A bit flips in the byte of this number on the way from the server.
    FlipDown(u64),
    /// Each piece takes this long.
    Delay(Duration),
    /// The first request is answered with this status and not passed on.
    Answer(u16),
    /// The connection is taken and never answered.
    Hang,
    /// The connection is not taken.
    Refuse,
}

/// Decides by the number of the connection, counted from 0.
pub type Plan = Arc<dyn Fn(u64) -> Fault + Send + Sync>;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    Up,
    /// From it.
    Down,
}

/// Something that happens once, in the middle of the traffic of all connections.
struct Strike {
    way: Way,
    left: u64,
    blow: Box<dyn FnOnce() + Send>,
}

/// Where a proxy leads to.
#[derive(Clone)]
pub struct Aim(Arc<Mutex<SocketAddr>>);

impl Aim {
    /// New connections go to `server`.
    pub fn at(&self, server: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    fn now(&self) -> SocketAddr {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proxy before one server; it ends when it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    server: Aim,
    strike: Mutex<Option<Strike>>,
    plan: Plan,
    stop: AtomicBool,
    connections: AtomicU64,
    faults: AtomicU64,
}

impl Proxy {
    /// Starts one before `server`.
    #[must_use]
    pub fn start(server: SocketAddr, plan: Plan) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            server: Aim(Arc::new(Mutex::new(server))),
            strike: Mutex::new(None),
            plan,
            stop: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || accept(&listener, &shared));
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    /// Faults that have happened.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.state.faults.load(Ordering::SeqCst)
    }

    /// Where it leads to, to be changed.
    #[must_use]
    pub fn aim(&self) -> Aim {
        self.state.server.clone()
    }

    /// Once so many bytes have gone that way from now on, `blow` is called before the next one passes, and the connection
    /// that carried it is cut.
    pub fn strike(&self, way: Way, after: u64, blow: impl FnOnce() + Send + 'static) {
        let strike = Strike {
            way,
            left: after,
            blow: Box::new(blow),
        };
        *self.state.strike.lock().unwrap_or_else(PoisonError::into_inner) = Some(strike);
    }

    /// Takes the strike away when it has not fallen, and says whether it had.
    #[must_use]
    pub fn has_struck(&self) -> bool {
        let strike = self.state.strike.lock().unwrap_or_else(PoisonError::into_inner).take();
        strike.is_none()
    }

    /// Connections up to now.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming() {
        if state.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let number = state.connections.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(state);
        std::thread::spawn(move || serve(client, &state, (state.plan)(number)));
    }
}

/// One connection; errors on either side only end it.
fn serve(mut client: TcpStream, state: &Arc<State>, fault: Fault) {
    let happened = || state.faults.fetch_add(1, Ordering::SeqCst);
    match fault {
        Fault::Refuse => {
            happened();
            return;
        }
        Fault::Hang => {
            happened();
            let mut buffer = [0; 4096];
            while let Ok(1..) = client.read(&mut buffer) {
                if state.stop.load(Ordering::SeqCst) {
                    break;
                }
            }
            return;
        }
        Fault::Answer(status) => {
            happened();
            let _ = answer(&mut client, status);
            return;
        }
        _ => {}
    }
    let Ok(server) = TcpStream::connect(state.server.now()) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (Ok(from_client), Ok(to_client)) = (client.try_clone(), client.try_clone()) else {
        return;
    };
    let Ok(to_server) = server.try_clone() else { return };
    let shared = Arc::clone(state);
    let up = std::thread::spawn(move || pump(from_client, to_server, &shared, Way::Up, fault.up()));
    pump(server, to_client, state, Way::Down, fault.down());
    let _ = up.join();
}

/// Reads the head of a request and answers it.
fn answer(client: &mut TcpStream, status: u16) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    write!(
        client,
        "HTTP/1.1 {status} Fault\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )?;
    client.shutdown(Shutdown::Write)?;
    // What is still being sent is read, so that the answer is not lost by a reset.
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    std::io::copy(client, &mut std::io::sink()).map(|_| ())
}

/// What happens in one direction.
#[derive(Clone, Copy)]
enum Trouble {
    None,
    Cut(u64),
    Flip(u64),
    Delay(Duration),
}

impl Fault {
    fn up(self) -> Trouble {
        match self {
            Self::CutUp(bytes) => Trouble::Cut(bytes),
            Self::FlipUp(byte) => Trouble::Flip(byte),
            Self::Delay(time) => Trouble::Delay(time),
            _ => Trouble::None,
        }
    }

    fn down(self) -> Trouble {
        match self {
            Self::CutDown(bytes) => Trouble::Cut(bytes),
            Self::FlipDown(byte) => Trouble::Flip(byte),
            Self::Delay(time) => Trouble::Delay(time),
            _ => Trouble::None,
        }
    }
}

impl State {
    /// Counts bytes that are about to pass. When the strike falls among them, those before it are given to `pass`, and it is
    /// done when this returns, for everybody who asks.
    fn struck(&self, way: Way, bytes: u64, pass: impl FnOnce(u64)) -> bool {
        let mut slot = self.strike.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut strike) = slot.take_if(|strike| strike.way == way) else {
            return false;
        };
        if strike.left >= bytes {
            strike.left -= bytes;
            *slot = Some(strike);
            return false;
        }
        pass(strike.left);
        (strike.blow)();
        self.faults.fetch_add(1, Ordering::SeqCst);
        true
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: &State, way: Way, trouble: Trouble) {
    let mut buffer = [0; 16 << 10];
    let mut passed = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mut piece = &mut buffer[..read];
        let mut cut = false;
        match trouble {
            Trouble::Cut(at) if passed + read as u64 > at => {
                piece = &mut piece[..usize::try_from(at - passed).unwrap()];
                cut = true;
            }
            Trouble::Flip(at) if (passed..passed + read as u64).contains(&at) => {
                piece[usize::try_from(at - passed).unwrap()] ^= 0x10;
                state.faults.fetch_add(1, Ordering::SeqCst);
            }
            Trouble::Delay(time) => std::thread::sleep(time),
            _ => {}
        }
        passed += piece.len() as u64;
        let mut pass = |bytes| {
            let _ = to.write_all(&piece[..usize::try_from(bytes).unwrap()]);
        };
        if state.struck(way, piece.len() as u64, &mut pass) {
            break;
        }
        if to.write_all(piece).is_err() {
            break;
        }
        if cut {
            state.faults.fetch_add(1, Ordering::SeqCst);
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
