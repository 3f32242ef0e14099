//! Apache with mod_dav over TLS, as a process of its own with a configuration of its own.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::server::{Certificates, Server, free_address, program};

/// Where Debian and Red Hat keep the modules.
const MODULES: [&str; 2] = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules"];

/// Starts it for the files of `dir`, which `/dav/` shows to the login `user` with `password`; what it needs besides goes
/// beside `dir`. `None` where there is no Apache with these modules.
#[must_use]
pub fn start(dir: &Path, certificates: &Certificates, user: &str, password: &str) -> Option<Server> {
    let program = program("apache2").or_else(|| program("httpd"))?;
    let modules = MODULES
        .iter()
        .map(Path::new)
        .find(|folder| folder.join("mod_dav_fs.so").exists())?;
    let own = dir.with_extension("apache");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("users"), format!("{user}:{}\n", hash(password)?)).unwrap();
    let address = free_address();
    let mut text = configuration(dir, &own, address, certificates)?;
    let (own, dir) = (own.display(), dir.display());
    text.insert_str(0, &load(modules));
    if rustix::process::geteuid().is_root() {
        // Apache does not serve as root.
        text = text
            .replacen("User root\n", "User www-data\n", 1)
            .replacen("Group root\n", "Group www-data\n", 1);
        let status = Command::new("chown")
            .args(["-R", "www-data:www-data"])
            .arg(dir.to_string())
            .status();
        status.ok().filter(std::process::ExitStatus::success)?;
        let status = Command::new("chown")
            .args(["-R", "www-data:www-data"])
            .arg(own.to_string())
            .status();
        status.ok().filter(std::process::ExitStatus::success)?;
        open_the_way(Path::new(&dir.to_string()));
    }
    let configuration = format!("{own}/httpd.conf");
    std::fs::write(&configuration, text).unwrap();
    let mut command = Command::new(program);
    command.args(["-X", "-f", &configuration]);
    Some(Server::start(command, address, Path::new(&format!("{own}/output"))))
}

/// The lines that load what is needed; what is built in has no file.
fn load(modules: &Path) -> String {
    let mut text = String::new();
    for name in [
        "mpm_event",
        "authn_core",
        "authn_file",
        "authz_core",
        "authz_user",
        "auth_basic",
        "dav",
        "dav_fs",
        "dav_lock",
        "socache_shmcb",
        "ssl",
        "unixd",
        "headers",
        "alias",
        "dir",
        "reqtimeout",
    ] {
        let file = modules.join(format!("mod_{name}.so"));
        if file.exists() {
            writeln!(text, "LoadModule {name}_module {}", file.display()).unwrap();
        }
    }
    text
}

fn configuration(dir: &Path, own: &Path, address: std::net::SocketAddr, certificates: &Certificates) -> Option<String> {
    let (own, dir) = (own.display(), dir.display());
    Some(format!(
        "ServerName localhost\nListen {address}\nPidFile {own}/pid\nErrorLog {own}/errors\nServerRoot {own}\n\
         User {user_id}\nGroup {group_id}\nDavLockDB {own}/locks\nMutex file:{own} default\n\
         KeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 30\nThreadsPerChild 32\nMaxRequestWorkers 64\n\
         ServerLimit 2\nLimitXMLRequestBody 0\n\
         SSLEngine on\nSSLCertificateFile {certificate}\nSSLCertificateKeyFile {key}\n\
         Alias /dav {dir}\n<Directory {dir}>\nDav On\nDavDepthInfinity Off\nAuthType Basic\nAuthName suite\n\
         AuthUserFile {own}/users\nRequire valid-user\nDirectorySlash Off\n</Directory>\n",
        user_id = id("-un")?,
        group_id = id("-gn")?,
        certificate = certificates.certificate.display(),
        key = certificates.key.display(),
    ))
}

/// Lets others pass through the folders above: those of temporary files are closed to them.
fn open_the_way(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for folder in dir.ancestors().skip(1) {
        let Ok(metadata) = folder.metadata() else { return };
        let mode = metadata.permissions().mode();
        if mode & 0o011 == 0o011 {
            return;
        }
        let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o011));
    }
}

fn id(option: &str) -> Option<String> {
    let output = Command::new("id").arg(option).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The password as Apache keeps it.
fn hash(password: &str) -> Option<String> {
    let output = Command::new(program("openssl")?)
        .args(["passwd", "-apr1", password])
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
