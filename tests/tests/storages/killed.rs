//! Servers that are killed in the middle of backups, checks and prunes, and started again: whatever was good before is good
//! after, bit for bit, and the next run goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backends::b2;
use backends::http::Trust;
use backends::layers::Retry;
use backends::{rest, s3, webdav};
use engine_api::{SnapshotRef, StoreError};
use holdfast_tests::b2::{B2Server, KEY, KEY_ID, Manners};
use holdfast_tests::corpus::{self, Random};
use holdfast_tests::holdfast::Repository;
use holdfast_tests::mortal::{After, Living, Mortal, Serving};
use holdfast_tests::proxy::Way;
use holdfast_tests::server::{self, Certificates, rclone};
use holdfast_tests::tree::{Compare, Picture, assert_same, below, picture};
use holdfast_tests::{apache, need};

use crate::common::{Place, Store, init, patient, quiet};

const NO_RCLONE: &str = "rclone is not installed";

type Opener<'a> = &'a dyn Fn() -> Result<Store, StoreError>;

/// What is known to be good.
struct Good(BTreeMap<String, Picture>);

/// Kills the server once in each of `rounds` runs, every second time for the rest of the run, and looks at everything after
/// each.
fn survives_kills<L: Living + 'static>(place: &Place, mortal: &Mortal<L>, seed: u64, rounds: u64, open: Opener<'_>) {
    let tree = place.path("tree");
    corpus::plain_tree(&tree, seed, 40, 20_000);
    init(place, Arc::new(patient(open().unwrap())));
    let mut good = Good(BTreeMap::new());
    good.save(open, &tree);
    let mut random = Random::new(seed);
    let (mut kills, mut failures) = (0, 0);
    for round in 0..rounds {
        corpus::edit_plain_tree(&tree, seed + round, 5);
        std::fs::write(tree.join("new"), random.noise(200_000)).unwrap();
        let after = if round % 2 == 0 { After::Away } else { After::Back };
        // Writing goes up, reading down; a third of the strikes fall while it begins.
        let reads = round % 4 >= 2;
        let way = if reads { Way::Down } else { Way::Up };
        let most = if random.below(3) == 0 { 10_000 } else { 260_000 };
        mortal.strike(way, random.below(most), after);
        let outcome = run(open, after, &tree, reads);
        let killed = mortal.revive();
        kills += u64::from(killed);
        failures += u64::from(outcome.is_err());
        if let Err(error) = outcome {
            assert!(killed && after == After::Away, "round {round}: {}", error.chain());
        }
        good.is_still(place, open, &tree, round);
    }
    println!("{kills} kills in {rounds} runs, of which {failures} failed");
    assert!(kills * 4 >= rounds * 3, "only {kills} kills in {rounds} runs");
    assert!(failures > 0, "no kill was felt");
    good.save(open, &tree);
    good.is_still(place, open, &tree, rounds);
}

fn run(open: Opener<'_>, after: After, tree: &Path, reads: bool) -> engine_api::Result<()> {
    let policy = after.policy();
    let store = Retry::opening(policy, quiet(), open)?;
    let repository = Repository::on(Arc::new(Retry::new(store, policy, quiet())))?;
    if reads {
        repository.prune()?;
        let report = repository.check_report()?;
        assert_eq!(report.errors, 0, "{:?}", report.findings);
    } else {
        repository.try_backup(&[tree])?;
    }
    Ok(())
}

fn opened(open: Opener<'_>) -> Repository {
    Repository::on(Arc::new(patient(open().unwrap()))).unwrap()
}

impl Good {
    /// One more run that nobody disturbs.
    fn save(&mut self, open: Opener<'_>, tree: &Path) {
        let report = opened(open).backup(&[tree]);
        self.0.insert(report.snapshot.unwrap().0, picture(tree));
    }

    /// Nothing is damaged, and what was saved comes back as it was. What a disturbed run has saved all the same is the tree
    /// as it was then.
    fn is_still(&mut self, place: &Place, open: Opener<'_>, tree: &Path, round: u64) {
        let repository = opened(open);
        repository.engine.unlock(true).unwrap();
        let report = repository.check_report().unwrap();
        assert_eq!(report.errors, 0, "after round {round}: {:?}", report.findings);
        let found: Vec<String> = repository.snapshots().into_iter().map(|found| found.id.0).collect();
        for known in self.0.keys() {
            assert!(found.contains(known), "after round {round} {known} is gone");
        }
        for id in found {
            self.0.entry(id).or_insert_with(|| picture(tree));
        }
        // The first, and one other in turn.
        let turn = usize::try_from(round).unwrap() % self.0.len();
        for (id, saved) in self.0.iter().take(1).chain(self.0.iter().nth(turn)) {
            let target = tempfile::tempdir_in(place.path("")).unwrap();
            repository.restore(SnapshotRef::Id(id.clone()), target.path());
            assert_same(saved, &picture(&below(target.path(), tree)), Compare::default());
        }
    }
}

fn served(place: &Place) -> PathBuf {
    place.served()
}

#[test]
fn a_rest_server_that_is_killed() {
    let place = Place::new();
    let folder = served(&place);
    let server = need!(
        Serving::start(move || server::rest_server(&folder, &[])),
        "restic's rest-server is not installed"
    );
    let mortal = Mortal::behind(server);
    survives_kills(&place, &mortal, 101, 32, &|| {
        let settings = rest::Settings {
            protocol: "http".to_owned(),
            host: mortal.address().ip().to_string(),
            port: mortal.address().port(),
            create: true,
            ..rest::Settings::default()
        };
        rest::open(&settings).map(|destination| destination.blobs)
    });
}

#[test]
fn a_server_of_webdav_that_is_killed() {
    let place = Place::new();
    let certificates = Certificates::make(&place.path("tls"), "DNS:localhost,IP:127.0.0.1", 30);
    let certificates = need!(certificates, "openssl is not installed");
    let (folder, trust) = (served(&place), Trust::Authority(certificates.authority()));
    let server = Serving::start(move || apache::start(&folder, &certificates, "user", "password"));
    let mortal = Mortal::behind(need!(server, "Apache with mod_dav is not installed"));
    survives_kills(&place, &mortal, 102, 20, &|| {
        let settings = webdav::Settings {
            url: format!("https://localhost:{}/dav", mortal.address().port()),
            directory: "server1".to_owned(),
            login: "user".to_owned(),
            password: "password".into(),
            trust: trust.clone(),
            create: true,
            ..webdav::Settings::default()
        };
        webdav::open(&settings).map(|destination| destination.blobs)
    });
}

#[test]
fn a_server_of_s3_that_is_killed() {
    let place = Place::new();
    let folder = served(&place);
    std::fs::create_dir(folder.join("backup")).unwrap();
    let arguments = ["--auth-key", "suite,secret", "--vfs-cache-mode=off"];
    let server = Serving::start(move || rclone("s3", &arguments, &folder));
    let mortal = Mortal::behind(need!(server, NO_RCLONE));
    survives_kills(&place, &mortal, 103, 20, &|| {
        let settings = s3::Settings {
            host: format!("http://{}", mortal.address()),
            bucket: "backup".to_owned(),
            access_key: "suite".to_owned(),
            secret_key: "secret".into(),
            ..s3::Settings::default()
        };
        s3::open(&settings).map(|destination| destination.blobs)
    });
}

#[test]
fn a_server_of_b2_that_is_killed() {
    let place = Place::new();
    let server = B2Server::start(Manners::default());
    let mortal = Mortal::behind(server);
    mortal.with(|server| server.say_address(mortal.address()));
    survives_kills(&place, &mortal, 104, 40, &|| {
        let settings = b2::Settings {
            account_id: KEY_ID.to_owned(),
            account_key: KEY.into(),
            bucket: "suite-bucket".to_owned(),
            prefix: "/server1".to_owned(),
            api: format!("http://{}", mortal.address()),
            create: true,
            ..b2::Settings::default()
        };
        b2::open(&settings).map(|destination| destination.blobs)
    });
}
