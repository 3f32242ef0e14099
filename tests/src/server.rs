//! Servers for the suites: each a process of its own on a free port of this machine, gone when its value is dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The folder of downloaded programs, as `./test` fills it.
pub const CACHE: &str = "HOLDFAST_TEST_CACHE";

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(30);

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, which is to listen at `address` and writes what it has to say to `log`.
    ///
    /// # Panics
    /// When it ends or does not listen in time.
    #[must_use]
    pub fn start(mut command: Command, address: SocketAddr, log: &Path) -> Self {
        let file = std::fs::File::create(log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let child = command.spawn().unwrap();
        let mut server = Self {
            child,
            address,
            log: log.to_owned(),
        };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < START,
                "{command:?} does not listen ({ended:?}):\n{}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// What it has said up to now.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it at once, in the middle of whatever it does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address of this machine that nobody listens at now.
#[must_use]
pub fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

/// The program `name`: of the path, of the system's folders, or of the folder of downloads.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cache = std::env::var_os(CACHE).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/holdfast-test")));
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .chain(cache)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// rclone as a server: `rclone serve WHAT` with `arguments` on `dir`. `None` where there is no rclone.
#[must_use]
pub fn rclone(what: &str, arguments: &[&str], dir: &Path) -> Option<Server> {
    let program = program("rclone")?;
    let address = free_address();
    let mut command = Command::new(program);
    let home = dir.with_extension("home");
    std::fs::create_dir_all(&home).unwrap();
    command
        .env_clear()
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .args(["serve", what, "--config", "/dev/null", "--addr"])
        .arg(address.to_string())
        .args(arguments)
        .arg(dir);
    Some(Server::start(command, address, &dir.with_extension("log")))
}

/// restic's own server of its REST protocol on `dir`, without a login. `None` where there is none.
#[must_use]
pub fn rest_server(dir: &Path, arguments: &[&str]) -> Option<Server> {
    let program = program("rest-server")?;
    let address = free_address();
    let mut command = Command::new(program);
    command
        .env_clear()
        .args(["--no-auth", "--listen", &address.to_string(), "--path"])
        .arg(dir)
        .args(arguments);
    Some(Server::start(command, address, &dir.with_extension("log")))
}

/// A certificate authority and a certificate of its making for this machine.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate, PEM.
    pub authority: PathBuf,
    /// The server's, PEM.
    pub certificate: PathBuf,
    /// The server's key, PEM.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in `dir`, for the names and addresses `names` (`IP:127.0.0.1`, `DNS:localhost`), good for `days`; a
    /// negative number makes an expired one. `None` where there is no openssl.
    #[must_use]
    pub fn make(dir: &Path, names: &str, days: i32) -> Option<Self> {
        let openssl = program("openssl")?;
        let path = |name: &str| dir.join(name);
        let run = |line: &str| {
            let output = Command::new(&openssl)
                .current_dir(dir)
                .args(line.split(' '))
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "openssl {line}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(path("extensions"), format!("subjectAltName={names}\n")).unwrap();
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        run(&format!(
            "req -x509 {curve} -keyout ca.key -out ca.pem -days 30 -subj /CN=suite-authority"
        ));
        run(&format!(
            "req {curve} -keyout server.key -out server.csr -subj /CN=suite"
        ));
        let validity = if days < 0 {
            "-not_before 20200101000000Z -not_after 20200201000000Z".to_owned()
        } else {
            format!("-days {days}")
        };
        if days < 0 {
            // Older versions of openssl can only sign expired certificates through `ca`.
            std::fs::write(path("ca.conf"), CA_CONF).unwrap();
            std::fs::write(path("index.txt"), "").unwrap();
            std::fs::write(path("serial"), "01\n").unwrap();
            run(
                "ca -config ca.conf -batch -in server.csr -out server.pem -extfile extensions -startdate 20200101000000Z -enddate 20200201000000Z",
            );
        } else {
            run(&format!(
                "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem {validity} -extfile extensions"
            ));
        }
        Some(Self {
            authority: path("ca.pem"),
            certificate: path("server.pem"),
            key: path("server.key"),
        })
    }

    /// The authority as a storage takes it.
    #[must_use]
    pub fn authority(&self) -> Vec<u8> {
        std::fs::read(&self.authority).unwrap()
    }

    /// The SHA-256 fingerprint of the server's certificate.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        let pem = std::fs::read_to_string(&self.certificate).unwrap();
        let (_, body) = pem.split_once("-----BEGIN CERTIFICATE-----").unwrap();
        let (body, _) = body.split_once("-----END").unwrap();
        let text: String = body.split_whitespace().collect();
        Sha256::digest(data_encoding::BASE64.decode(text.as_bytes()).unwrap()).into()
    }
}

const CA_CONF: &str = "\
[ca]
default_ca = suite
[suite]
database = index.txt
new_certs_dir = .
serial = serial
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
[any]
commonName = supplied
";
