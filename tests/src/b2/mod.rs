//! A server that speaks Backblaze B2's native API, written from its public description: no such server can be had.
//!
//! It keeps everything in memory, and is as strict as the description: digests are checked, a place for uploads takes one
//! at a time, names are checked, sessions end after a number of calls, and places for uploads go away now and then.

mod bucket;
mod calls;
mod wire;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bucket::Service;

/// The key's id that the server knows.
pub const KEY_ID: &str = "0012345suite";

/// The key.
pub const KEY: &str = "K001/secret+key";

/// How the server behaves.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// Calls that a session is good for.
    pub session: u64,
    /// Each so-manieth upload is told to go elsewhere; 0 is none.
    pub busy: u64,
    /// Whether the key may delete.
    pub may_delete: bool,
    /// Files on one page of a listing, at most.
    pub page: usize,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            session: 500,
            busy: 7,
            may_delete: true,
            page: 1000,
        }
    }
}

/// A running server, which ends when it is dropped.
pub struct B2Server {
    /// Where it listens.
    pub address: SocketAddr,
    service: Arc<Mutex<Service>>,
    ears: Option<Ears>,
}

/// What listens, and talks.
struct Ears {
    stop: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    thread: JoinHandle<()>,
}

impl B2Server {
    /// Starts one.
    #[must_use]
    pub fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let service = Arc::new(Mutex::new(Service::new(manners, address)));
        let ears = Ears::open(listener, &service);
        Self {
            address,
            service,
            ears: Some(ears),
        }
    }

    /// Ends all connections in the middle of whatever goes over them, and the sessions with them; files that had arrived
    /// whole stay.
    pub fn crash(&mut self) {
        let Some(ears) = self.ears.take() else { return };
        ears.close(self.address);
        self.service.lock().unwrap().forget_sessions();
    }

    /// Listens again after a crash, at another address; it still says the one that it was told to say.
    ///
    /// # Panics
    /// When there is no port.
    pub fn again(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        self.address = listener.local_addr().unwrap();
        self.ears = Some(Ears::open(listener, &self.service));
    }

    /// How it says where its parts are: at `address`, which may be a proxy's.
    pub fn say_address(&self, address: SocketAddr) {
        self.service.lock().unwrap().address = address;
    }

    /// Files that are being sent in parts.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.service.lock().unwrap().unfinished()
    }

    /// Versions of all files, hidden ones included.
    #[must_use]
    pub fn versions(&self) -> usize {
        self.service.lock().unwrap().versions()
    }
}

impl Drop for B2Server {
    fn drop(&mut self) {
        if let Some(ears) = self.ears.take() {
            ears.close(self.address);
        }
    }
}

impl Ears {
    fn open(listener: TcpListener, service: &Arc<Mutex<Service>>) -> Self {
        let (stop, connections) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (service, stopped, known) = (Arc::clone(service), Arc::clone(&stop), Arc::clone(&connections));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (service, known): (_, &Mutex<Vec<TcpStream>>) = (Arc::clone(&service), &known);
                known.lock().unwrap().extend(stream.try_clone());
                std::thread::spawn(move || serve(&stream, &service));
            }
        });
        Self {
            stop,
            connections,
            thread,
        }
    }

    fn close(self, address: SocketAddr) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(address);
        let _ = self.thread.join();
        for stream in self.connections.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// One connection, request after request.
fn serve(stream: &TcpStream, service: &Mutex<Service>) {
    let _ = stream.set_nodelay(true);
    let mut reader = std::io::BufReader::new(stream);
    while let Some(request) = wire::Request::read(&mut reader) {
        let answer = calls::answer(&request, service);
        let last = request.header("connection") == "close";
        if answer.write(stream, request.method == "HEAD", last).is_err() || last {
            return;
        }
    }
}
