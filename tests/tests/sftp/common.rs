use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine_api::Destination;
use holdfast_tests::sshd::Sshd;

pub const NO_SERVER: &str = "there is no sshd here, or only root may run it";

/// Every request beyond the protocol's third version.
pub const EXTENSIONS: [&str; 8] = [
    "posix-rename",
    "statvfs",
    "fstatvfs",
    "hardlink",
    "fsync",
    "lsetstat",
    "limits",
    "copy-data",
];

/// The folder `directory` as the server has it.
pub fn open(server: &Sshd, directory: &Path) -> Destination {
    backends::sftp::open(server.settings(directory), true).unwrap_or_else(|error| {
        let error = engine_api::Error::from(error);
        panic!("{}\n{}", error.chain(), server.log())
    })
}

/// A way to a server that counts the bytes sent to it.
pub struct Meter(u16);

impl Meter {
    pub fn start(server: SocketAddr, sent: Arc<AtomicU64>) -> Self {
        Self::slow(server, sent, u32::MAX)
    }

    /// One that lets so many bytes through in a second.
    pub fn slow(server: SocketAddr, sent: Arc<AtomicU64>, rate: u32) -> Self {
        Self::between(server, sent, Arc::default(), rate)
    }

    /// One that counts what is received, too.
    pub fn both(server: SocketAddr, sent: Arc<AtomicU64>, received: Arc<AtomicU64>) -> Self {
        Self::between(server, sent, received, u32::MAX)
    }

    fn between(server: SocketAddr, sent: Arc<AtomicU64>, received: Arc<AtomicU64>, rate: u32) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(server).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (sent, received) = (Arc::clone(&sent), Arc::clone(&received));
                std::thread::spawn(move || pump(from, to, &sent, rate));
                std::thread::spawn(move || pump(server, client, &received, u32::MAX));
            }
        });
        Self(port)
    }

    pub fn port(&self) -> u16 {
        self.0
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64, rate: u32) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        count.fetch_add(read as u64, Ordering::SeqCst);
        std::thread::sleep(Duration::from_secs(read as u64) / rate);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
