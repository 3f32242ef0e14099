use super::*;
use crate::esmith::DatabaseFile;
use crate::layout::{Layout, Surroundings};
use jiff::tz::TimeZone;

struct Machine {
    _folder: tempfile::TempDir,
    context: Context,
}

fn machine(configuration: Record) -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    std::fs::create_dir_all(root.join("var/lib/nethserver/db")).unwrap();
    let surroundings = Surroundings {
        root: Some(root),
        ..Surroundings::default()
    };
    let context = Context {
        layout: Layout::find(&surroundings).unwrap(),
        host: "h".into(),
        user: "u".into(),
        zone: TimeZone::UTC,
    };
    set(&context.configuration(), &configuration);
    Machine {
        _folder: folder,
        context,
    }
}

fn set(file: &DatabaseFile, record: &Record) {
    let change = file.update(|database| {
        database
            .set(KEY.as_bytes(), record)
            .map_err(|misfit| file.unfit(misfit))
    });
    change.unwrap();
}

impl Machine {
    fn raw(&self, file: &DatabaseFile) -> String {
        let database = file.read().unwrap();
        database
            .raw(KEY.as_bytes())
            .map_or("-".into(), |raw| String::from_utf8_lossy(raw).into_owned())
    }

    fn configuration(&self) -> String {
        self.raw(&self.context.configuration())
    }

    fn backups(&self) -> String {
        self.raw(&self.context.backups())
    }
}

/// As NethServer 6 leaves it.
fn six() -> Record {
    Record::of_kind("configuration")
        .with("status", "enabled")
        .with("BackupTime", "01:05")
        .with("Program", "duplicity")
        .with("Type", "incremental")
        .with("CleanupOlderThan", "30D")
        .with("VFSType", "cifs")
        .with("SMBHost", "nas")
        .with("SMBShare", "s")
        .with("SMBLogin", "u")
        .with("SMBPassword", "p|q")
        .with("notify", "error")
        .with("notifyTo", "root@localhost")
        .with("notifyFrom", "")
        .with("Mount", "/mnt/backup")
        .with("LogFile", "/var/log/last-backup.log")
        .with("IncludeLogs", "enabled")
        .with("Scheduler", "cron")
}

const MOVED: &str = "duplicity|BackupTime|5 1 * * *|CleanupOlderThan|28D|Notify|error|NotifyFrom||NotifyTo|root@localhost|\
                     SMBHost|nas|SMBLogin|u|SMBPassword|p\\|q|SMBShare|s|Type|incremental|VFSType|cifs|status|enabled";

#[test]
fn d9_the_old_backup_becomes_a_record() {
    let machine = machine(six());
    let planned = migrate(&machine.context, true).unwrap();
    assert_eq!(machine.backups(), "-", "a dry run writes nothing");
    let done = migrate(&machine.context, false).unwrap();
    assert_eq!(done, planned);
    assert_eq!(machine.backups(), MOVED);
    assert_eq!(
        machine.configuration(),
        "configuration|IncludeLogs|enabled|Scheduler|cron"
    );
    for told in ["01:05 is written as `5 1 * * *`", "30D becomes 28D", "Mount is dropped"] {
        assert!(
            done.notes.iter().any(|note| note.contains(told)),
            "{told}: {:?}",
            done.notes
        );
    }
    assert_eq!(
        migrate(&machine.context, false).unwrap(),
        Migration::default(),
        "once is enough"
    );
}

#[test]
fn d9_nothing_is_deleted_that_could_not_be_moved() {
    let machine = machine(six());
    // A folder in the place of the file: it cannot be written.
    std::fs::create_dir(machine.context.layout.databases.join("backups")).unwrap();
    let before = machine.configuration();
    assert!(migrate(&machine.context, false).is_err());
    assert_eq!(machine.configuration(), before);
}

#[test]
fn d9_a_record_that_exists_is_not_overwritten_and_the_old_values_stay() {
    let machine = machine(six());
    let own = Record::of_kind("restic")
        .with("VFSType", "cifs")
        .with("SMBHost", "other")
        .with("status", "enabled");
    set(&machine.context.backups(), &own);
    let done = migrate(&machine.context, false).unwrap();
    assert_eq!(machine.backups(), "restic|SMBHost|other|VFSType|cifs|status|enabled");
    let left = machine.configuration();
    assert!(
        left.contains("|SMBHost|nas|") && left.contains("|BackupTime|01:05|"),
        "{left}"
    );
    assert!(
        !left.contains("VFSType") && !left.contains("Mount"),
        "what the record has too is gone: {left}"
    );
    assert!(
        done.notes.iter().any(|note| note.starts_with("SMBHost stays in ")),
        "{:?}",
        done.notes
    );
}

#[test]
fn d9_the_manuals_program_changes_the_engine_and_says_so() {
    let machine = machine(
        Record::of_kind("configuration")
            .with("IncludeLogs", "disabled")
            .with("Program", "restic"),
    );
    let own = Record::of_kind("duplicity").with("VFSType", "nfs").with("NFSHost", "h");
    set(&machine.context.backups(), &own);
    let done = migrate(&machine.context, false).unwrap();
    assert_eq!(machine.backups(), "restic|NFSHost|h|VFSType|nfs");
    assert_eq!(machine.configuration(), "configuration|IncludeLogs|disabled");
    assert!(
        done.notes[0].contains("was duplicity and is restic now"),
        "{:?}",
        done.notes
    );
}

#[test]
fn d9_an_engine_that_the_storage_cannot_have_is_not_taken() {
    let machine = machine(Record::of_kind("configuration").with("Program", "rsync"));
    set(
        &machine.context.backups(),
        &Record::of_kind("restic").with("VFSType", "s3"),
    );
    let done = migrate(&machine.context, false).unwrap();
    assert_eq!(machine.backups(), "restic|VFSType|s3");
    assert_eq!(machine.configuration(), "configuration|Program|rsync");
    assert!(
        done.notes[0].contains("cannot have the engine rsync"),
        "{:?}",
        done.notes
    );
}

#[test]
fn an_old_machine_without_a_backups_file_is_read_as_it_is() {
    let machine = machine(six());
    let jobs = crate::catalog::list(&machine.context).unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].key.as_str(), &jobs[0].errors[..]), (KEY, &[][..]));
    assert!(jobs[0].notes[0].contains("the single backup of an older version"));
    let job = crate::catalog::job(&machine.context, &crate::JobName::new(KEY).unwrap()).unwrap();
    assert!(job.enabled);
    assert_eq!(job.location(), "//nas/s");
    assert!(!machine.context.backups().path().exists(), "reading writes nothing");
    // A change moves it first.
    crate::catalog::enable(&machine.context, &job.name, false).unwrap();
    assert_eq!(machine.backups(), MOVED.replace("status|enabled", "status|disabled"));
}
