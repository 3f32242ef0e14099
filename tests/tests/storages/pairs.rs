//! Every engine on every storage that it goes with, by way of records, as an administrator has them.
//!
//! CIFS and NFS need a kernel of their own: their pairs are in the guest of the suite `mounts`.

use std::path::{Path, PathBuf};

use holdfast_tests::b2::{B2Server, KEY, KEY_ID, Manners};
use holdfast_tests::disk::Disk;
use holdfast_tests::machine::Machine;
use holdfast_tests::restic::{self, Program, Restic};
use holdfast_tests::server::{self, Certificates, Server, program, rclone};
use holdfast_tests::sshd::Sshd;
use holdfast_tests::tree::{Compare, assert_same, below, picture};
use holdfast_tests::{apache, need, skip};
use jobs::{EngineName, JobName, Pair, PlaceKind};

type Properties = Vec<(&'static str, String)>;
/// The real restic on the same server.
type Real = Box<dyn Fn(&Program) -> Option<Restic>>;

/// A server that runs, and how a record names it.
pub struct Ground {
    pub properties: Properties,
    real: Option<Real>,
    _keeps: Vec<Box<dyn std::any::Any>>,
}

/// Nine storages, and none can be left out: a new one does not compile without its ground. `None` where this machine
/// cannot have it.
pub fn ground(storage: PlaceKind, machine: &Machine, name: &JobName) -> Option<Ground> {
    match storage {
        PlaceKind::Local => Some(Ground::plain(vec![(
            "LocalDirectory",
            text(&machine.path("repository")),
        )])),
        PlaceKind::Usb => usb(),
        PlaceKind::WebDav => webdav(machine),
        PlaceKind::Sftp => sftp(machine, name),
        PlaceKind::S3 => s3(machine),
        PlaceKind::B2 => Some(b2()),
        PlaceKind::Rest => rest(machine),
        PlaceKind::Cifs | PlaceKind::Nfs => None,
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

impl Ground {
    fn plain(properties: Properties) -> Self {
        Self {
            properties,
            real: None,
            _keeps: Vec::new(),
        }
    }

    fn keeping(mut self, what: impl std::any::Any) -> Self {
        self._keeps.push(Box::new(what));
        self
    }

    fn read_by(mut self, real: impl Fn(&Program) -> Option<Restic> + 'static) -> Self {
        self.real = Some(Box::new(real));
        self
    }
}

fn usb() -> Option<Ground> {
    let disk = Disk::make("hf-pair", "ext4")?;
    Some(Ground::plain(vec![("USBLabel", disk.label.clone())]).keeping(disk))
}

fn sftp(machine: &Machine, name: &JobName) -> Option<Ground> {
    let server = Sshd::start()?;
    let key = machine.context.layout.ssh_key(name);
    std::fs::create_dir_all(key.parent().unwrap()).unwrap();
    std::fs::copy(server.client_key(), &key).unwrap();
    let folder = server.folder().join("repository");
    let properties = vec![
        ("SftpHost", "127.0.0.1".to_owned()),
        ("SftpPort", server.address().port().to_string()),
        ("SftpUser", "root".to_owned()),
        ("SftpDirectory", text(&folder)),
    ];
    let command = format!(
        "ssh -p {} -i {} -o UserKnownHostsFile={} root@127.0.0.1 -s sftp",
        server.address().port(),
        key.display(),
        machine.context.layout.known_hosts(name).display()
    );
    let real = move |program: &Program| {
        let address = format!("sftp:root@127.0.0.1:{}", folder.display());
        Some(Restic::new(program, Path::new(&address)).with_option(&format!("sftp.command={command}")))
    };
    Some(Ground::plain(properties).keeping(server).read_by(real))
}

fn webdav(machine: &Machine) -> Option<Ground> {
    const LOGIN: &str = "us er@";
    const PASSWORD: &str = "p/ss:wörd";
    let certificates = Certificates::make(&machine.path("tls"), "DNS:localhost,IP:127.0.0.1", 30)?;
    let served = machine.path("served");
    std::fs::create_dir_all(&served).unwrap();
    let server = apache::start(&served, &certificates, LOGIN, PASSWORD)?;
    let url = format!("https://localhost:{}/dav", server.address.port());
    let properties = vec![
        ("WebDAVUrl", url.clone()),
        ("WebDAVLogin", LOGIN.to_owned()),
        ("WebDAVPassword", PASSWORD.to_owned()),
        ("Certificate", text(&certificates.authority)),
    ];
    // restic goes by way of rclone, as its manual says.
    let authority = text(&certificates.authority);
    let real = move |restic: &Program| {
        let rclone = program("rclone")?;
        let obscured = std::process::Command::new(&rclone)
            .args(["obscure", PASSWORD])
            .output()
            .ok()?;
        let obscured = String::from_utf8(obscured.stdout).ok()?.trim().to_owned();
        let restic = Restic::new(restic, Path::new("rclone:dav:/"))
            .with_option(&format!("rclone.program={}", rclone.display()))
            .with_env("RCLONE_CONFIG_DAV_TYPE", "webdav")
            .with_env("RCLONE_CONFIG_DAV_URL", url.clone())
            .with_env("RCLONE_CONFIG_DAV_VENDOR", "other")
            .with_env("RCLONE_CONFIG_DAV_USER", LOGIN)
            .with_env("RCLONE_CONFIG_DAV_PASS", obscured)
            .with_env("RCLONE_CA_CERT", authority.clone());
        Some(restic)
    };
    Some(Ground::plain(properties).keeping(server).read_by(real))
}

fn s3(machine: &Machine) -> Option<Ground> {
    const ACCESS: &str = "AKSUITE";
    const SECRET: &str = "se/cret+key";
    let served = machine.path("served");
    std::fs::create_dir_all(&served).unwrap();
    let login = format!("{ACCESS},{SECRET}");
    let server = rclone("s3", &["--auth-key", &login, "--vfs-cache-mode=off"], &served)?;
    let properties = vec![
        ("S3Host", format!("http://{}", server.address)),
        ("S3Bucket", "backup".to_owned()),
        ("S3AccessKey", ACCESS.to_owned()),
        ("S3SecretKey", SECRET.to_owned()),
    ];
    let address = format!("s3:http://{}/backup", server.address);
    let real = move |program: &Program| {
        let restic = Restic::new(program, Path::new(&address))
            .with_env("AWS_ACCESS_KEY_ID", ACCESS)
            .with_env("AWS_SECRET_ACCESS_KEY", SECRET);
        Some(restic)
    };
    Some(Ground::plain(properties).keeping(server).read_by(real))
}

/// The real restic knows Backblaze's own address only, so nobody else reads what is there.
fn b2() -> Ground {
    let server = B2Server::start(Manners::default());
    let properties = vec![
        ("B2AccountId", KEY_ID.to_owned()),
        ("B2AccountKey", KEY.to_owned()),
        ("B2Bucket", "suite-bucket".to_owned()),
        ("B2Api", format!("http://{}", server.address)),
    ];
    Ground::plain(properties).keeping(server)
}

/// restic's own server, or rclone's where that is not to be had.
fn rest(machine: &Machine) -> Option<Ground> {
    let served = machine.path("served");
    std::fs::create_dir_all(&served).unwrap();
    let server: Server = server::rest_server(&served, &[]).or_else(|| rclone("restic", &[], &served))?;
    let properties = vec![
        ("RestProtocol", "http".to_owned()),
        ("RestHost", "127.0.0.1".to_owned()),
        ("RestPort", server.address.port().to_string()),
        ("RestDirectory", "deep/down".to_owned()),
    ];
    let address = format!("rest:http://{}/deep/down/", server.address);
    let real = move |program: &Program| Some(Restic::new(program, Path::new(&address)));
    Some(Ground::plain(properties).keeping(server).read_by(real))
}

/// One pair, from the record to the restore.
fn pair(storage: PlaceKind, engine: EngineName) {
    let machine = Machine::new();
    let name = JobName::new("b1").unwrap();
    let why = format!("no server for {storage} can be had here");
    let ground = need!(ground(storage, &machine, &name), &why);
    let tree = machine.path("tree");
    std::fs::create_dir(&tree).unwrap();
    let mut properties = ground.properties.clone();
    properties.push(("VFSType", storage.to_string()));
    // A chain of one full set and one increment would be two chains on a Sunday.
    properties.push(("Type", "full".to_owned()));
    // Nothing of what is made within a minute expires by itself.
    let name = machine.job("b1", engine.as_str(), &properties, &tree);
    machine.carries(&name, &tree, 60);
    if engine == EngineName::Restic {
        the_real_one_reads(&machine, &ground, &tree);
    }
}

fn the_real_one_reads(machine: &Machine, ground: &Ground, tree: &Path) {
    let Some(real) = &ground.real else { return };
    let Some(restic) = restic::newest().and_then(|program| real(&program)) else {
        skip::partly("the real restic", "it or what it needs is not installed");
        return;
    };
    restic.check();
    let target: PathBuf = machine.path("restored-by-restic");
    restic.restore("latest", &target);
    assert_same(&picture(tree), &picture(&below(&target, tree)), Compare::default());
}

macro_rules! pairs {
    ($($test:ident: $storage:ident $engine:ident;)*) => {
        $(#[test]
        fn $test() {
            pair(PlaceKind::$storage, EngineName::$engine);
        })*

        /// Those that have a test here.
        const TESTED: &[(PlaceKind, EngineName)] = &[$((PlaceKind::$storage, EngineName::$engine)),*];
    };
}

pairs! {
    duplicity_on_local: Local Duplicity;
    restic_on_local: Local Restic;
    rsync_on_local: Local Rsync;
    duplicity_on_usb: Usb Duplicity;
    restic_on_usb: Usb Restic;
    rsync_on_usb: Usb Rsync;
    duplicity_on_webdav: WebDav Duplicity;
    restic_on_webdav: WebDav Restic;
    duplicity_on_sftp: Sftp Duplicity;
    restic_on_sftp: Sftp Restic;
    rsync_on_sftp: Sftp Rsync;
    duplicity_on_s3: S3 Duplicity;
    restic_on_s3: S3 Restic;
    duplicity_on_b2: B2 Duplicity;
    restic_on_b2: B2 Restic;
    restic_on_rest: Rest Restic;
}

/// The guest's own list is `GUEST_PAIRS` in `tests/mounts/guest.rs`.
#[test]
fn every_possible_pair_has_a_test() {
    let guest = include_str!("../mounts/guest.rs");
    for pair in Pair::all() {
        let here = TESTED.contains(&(pair.storage, pair.engine));
        let there = guest.contains(&format!(
            "(PlaceKind::{:?}, EngineName::{:?})",
            pair.storage, pair.engine
        ));
        assert_eq!(
            here || there,
            pair.obstacle.is_none(),
            "{} on {} is tested or refused, one of both",
            pair.engine,
            pair.storage
        );
    }
}

/// A pair that cannot be is refused when the record is written, with the reason.
#[test]
fn an_impossible_pair_is_refused_when_the_record_is_written() {
    let machine = Machine::new();
    for pair in Pair::all() {
        let Some(obstacle) = pair.obstacle else { continue };
        let record = jobs::esmith::Record::of_kind(pair.engine.as_str()).with("VFSType", pair.storage.as_str());
        let name = JobName::new("b1").unwrap();
        let error = jobs::catalog::add(&machine.context, &name, &record, &[]).unwrap_err();
        let chain = engine_api::Error::from(error).chain();
        assert!(chain.contains(obstacle), "{chain}");
    }
    assert!(jobs::catalog::list(&machine.context).unwrap().is_empty());
}
