//! A server that goes as far as to show its certificate: what a client thinks of it is then known.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::server::Certificates;

/// How a server shows `certificates`.
#[must_use]
pub fn config(certificates: &Certificates) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&certificates.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&certificates.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Arc::new(config)
}

/// A running server, which ends when it is dropped.
pub struct Handshake {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Handshake {
    /// Starts one that shows `certificates`, and hangs up on who believes it.
    #[must_use]
    pub fn start(certificates: &Certificates) -> Self {
        let config = config(certificates);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                greet(client, &config);
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Errors on the client's side only end it.
fn greet(mut client: TcpStream, config: &Arc<ServerConfig>) {
    let Ok(mut connection) = ServerConnection::new(Arc::clone(config)) else {
        return;
    };
    let _ = client.set_read_timeout(Some(Duration::from_secs(5)));
    while connection.is_handshaking() {
        if connection.complete_io(&mut client).is_err() {
            return;
        }
    }
    connection.send_close_notify();
    let _ = connection.write_tls(&mut client);
}
