use std::sync::Arc;

use engine_api::Silent;

use super::*;
use crate::engine::Settings;

fn engine() -> (tempfile::TempDir, RsyncEngine) {
    let dir = tempfile::tempdir().unwrap();
    let files = backends::local::open(dir.path(), false).unwrap().files.unwrap();
    let settings = Settings {
        host: "here".to_owned(),
        user: "root".to_owned(),
        ..Settings::default()
    };
    (dir, RsyncEngine::open(files, settings))
}

fn plant(engine: &RsyncEngine, change: impl FnOnce(&mut Holder)) {
    let mut holder = Holder::new(engine.settings());
    holder.token = "another".to_owned();
    change(&mut holder);
    let own = own_folder(engine.store()).unwrap();
    layout::make_file(engine.store(), &own, NAME, holder.to_text().as_bytes()).unwrap();
}

#[test]
fn one_at_a_time() {
    let (_dir, engine) = engine();
    let first = Lock::take(&engine, &Silent).unwrap();
    first.confirm().unwrap();
    assert!(matches!(Lock::take(&engine, &Silent), Err(Error::Locked { .. })));
    drop(first);
    Lock::take(&engine, &Silent).unwrap();
}

/// The script wrote the number of a process of one machine to a place that others use, too.
#[test]
fn d36_a_lock_of_the_dead_is_taken() {
    // No process has this number: it is above the kernel's limit.
    let dead = |holder: &mut Holder| holder.pid = 1 << 30;
    let old = |holder: &mut Holder| {
        holder.boot = "another".to_owned();
        holder.host = "elsewhere".to_owned();
        holder.renewed -= 31 * 60;
    };
    let before_the_restart = |holder: &mut Holder| holder.boot = "another".to_owned();
    let changes: [fn(&mut Holder); 3] = [dead, old, before_the_restart];
    for change in changes {
        let (_dir, engine) = engine();
        plant(&engine, change);
        Lock::take(&engine, &Silent).unwrap().confirm().unwrap();
    }
}

#[test]
fn d36_a_lock_of_the_living_is_not() {
    let elsewhere = |holder: &mut Holder| {
        holder.boot = "another".to_owned();
        holder.host = "elsewhere".to_owned();
        holder.pid = 1 << 30;
    };
    // A clock that runs ahead makes no lock stale.
    let ahead = |holder: &mut Holder| {
        holder.boot = "another".to_owned();
        holder.host = "elsewhere".to_owned();
        holder.renewed += 7200;
    };
    let changes: [fn(&mut Holder); 3] = [|_| (), elsewhere, ahead];
    for change in changes {
        let (_dir, engine) = engine();
        plant(&engine, change);
        assert!(matches!(Lock::take(&engine, &Silent), Err(Error::Locked { .. })));
    }
}

/// The original kept a bare process number at the destination. Here this process's own number stands in each lock, so that
/// it lives on this machine whoever wrote it; and one that nobody has stands in the lock of another machine at work.
#[test]
fn d36_a_process_number_alone_makes_nobody_alive_or_dead() {
    let given_again_after_a_restart = |holder: &mut Holder| holder.boot = "another".to_owned();
    let of_a_machine_that_is_gone = |holder: &mut Holder| {
        holder.boot = "another".to_owned();
        holder.host = "elsewhere".to_owned();
        holder.renewed -= 31 * 60;
    };
    let changes: [fn(&mut Holder); 2] = [given_again_after_a_restart, of_a_machine_that_is_gone];
    for change in changes {
        let (_dir, engine) = engine();
        plant(&engine, change);
        Lock::take(&engine, &Silent).unwrap().confirm().unwrap();
    }
    // The original's own mark with the number of a process that is no rsync_tmbackup.
    let (_dir, engine) = engine();
    let number = std::process::id().to_string();
    layout::make_file(
        engine.store(),
        &engine.store().root(),
        layout::IN_PROGRESS,
        number.as_bytes(),
    )
    .unwrap();
    drop(Lock::take(&engine, &Silent).unwrap());
    plant(&engine, |holder| {
        holder.boot = "another".to_owned();
        holder.host = "elsewhere".to_owned();
        holder.pid = 1 << 30;
    });
    let Err(Error::Locked { host, .. }) = Lock::take(&engine, &Silent) else {
        panic!("there are two writers");
    };
    assert_eq!(host, "elsewhere", "it says who works there");
}

/// Between the making of the file and the writing of its holder another run took it for nobody's.
#[test]
fn a_lock_that_is_being_made_is_not_stale() {
    let (_dir, engine) = engine();
    let own = own_folder(engine.store()).unwrap();
    let file = engine.store().create(&own, NAME).unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| Lock::take(&engine, &Silent).map(drop));
        std::thread::sleep(Duration::from_millis(200));
        fill(engine.store(), &own, file, &Holder::new(engine.settings())).unwrap();
        assert!(matches!(other.join().unwrap(), Err(Error::Locked { .. })));
    });
    engine.store().remove(&own, NAME).unwrap();

    // Its maker died.
    drop(engine.store().create(&own, NAME).unwrap());
    Lock::take(&engine, &Silent).unwrap().confirm().unwrap();
}

#[test]
fn a_lock_that_somebody_took_is_lost() {
    let (_dir, engine) = engine();
    let lock = Lock::take(&engine, &Silent).unwrap();
    let own = own_folder(engine.store()).unwrap();
    engine.store().remove(&own, NAME).unwrap();
    plant(&engine, |_| ());
    assert!(matches!(lock.confirm(), Err(Error::LockLost)));
    drop(lock);
    let store: &Arc<_> = engine.shared_store();
    assert!(store.stat(&own, NAME).unwrap().is_some(), "the other's lock stays");
}
