//! S3 servers in this process, on s3s, which reads requests and checks their signatures by itself: one that keeps files
//! (s3s-fs), and one that keeps everything in memory and is as strict as a test wants.

mod elsewhere;
mod memory;
mod objects;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use holdfast_tests::handshake;
use holdfast_tests::server::Certificates;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::SingleDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

pub use elsewhere::{Elsewhere, Way};
pub use memory::{Manners, Memory};

/// The public half of the key that the servers know.
pub const ACCESS: &str = "AKSTRICT";
/// The secret half.
pub const SECRET: &str = "st/rict+secret=key";

/// A running server, which ends when it is dropped.
pub struct Bucket {
    /// Where it listens.
    pub address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Bucket {
    /// One that keeps buckets and objects as folders and files in `root`.
    pub fn files(root: &Path) -> Self {
        let files = s3s_fs::FileSystem::new(root).unwrap();
        Self::start(None, |_| S3ServiceBuilder::new(files))
    }

    /// One that keeps all in `memory`.
    pub fn memory(memory: &Arc<Memory>) -> Self {
        let keeper = memory::Keeper(Arc::clone(memory));
        Self::start(None, |_| S3ServiceBuilder::new(keeper))
    }

    /// The same over TLS.
    pub fn encrypted(memory: &Arc<Memory>, certificates: &Certificates) -> Self {
        let keeper = memory::Keeper(Arc::clone(memory));
        let acceptor = TlsAcceptor::from(handshake::config(certificates));
        Self::start(Some(acceptor), |_| S3ServiceBuilder::new(keeper))
    }

    /// The same for requests about another region, which are told where to go.
    pub fn far(memory: &Arc<Memory>, elsewhere: Elsewhere) -> Self {
        let keeper = memory::Keeper(Arc::clone(memory));
        Self::start(None, |_| {
            let mut builder = S3ServiceBuilder::new(keeper);
            builder.set_route(elsewhere);
            builder
        })
    }

    /// One that knows the bucket by the host's name, which is `DOMAIN:PORT` without the bucket's.
    pub fn named(memory: &Arc<Memory>, domain: &str) -> Self {
        let keeper = memory::Keeper(Arc::clone(memory));
        Self::start(None, |address| {
            let mut builder = S3ServiceBuilder::new(keeper);
            let domain = format!("{domain}:{}", address.port());
            builder.set_host(SingleDomain::new(&domain).unwrap());
            builder
        })
    }

    fn start(tls: Option<TlsAcceptor>, service: impl FnOnce(SocketAddr) -> S3ServiceBuilder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let mut builder = service(address);
        builder.set_auth(Keys);
        runtime.spawn(accept(listener, tls, builder.build()));
        Self {
            address,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The one key there is.
struct Keys;

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS {
            return Ok(SecretKey::from(SECRET));
        }
        Err(s3_error!(InvalidAccessKeyId))
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, service: S3Service) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let _ = socket.set_nodelay(true);
        let (service, tls) = (service.clone(), tls.clone());
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // Errors on the client's side only end the connection.
            match tls {
                None => drop(server.serve_connection(TokioIo::new(socket), service).await),
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await {
                        drop(server.serve_connection(TokioIo::new(socket), service).await);
                    }
                }
            }
        });
    }
}
