use super::*;

fn name() -> JobName {
    JobName::new("nightly").unwrap()
}

fn good() -> Record {
    Record::of_kind("restic")
        .with("VFSType", "local")
        .with("LocalDirectory", "/srv/backup")
        .with("status", "enabled")
}

fn message(record: &Record) -> (String, String) {
    let error = Job::read(&name(), record).unwrap_err();
    (error.to_string(), error.hint().unwrap())
}

#[test]
fn a_record_becomes_a_job() {
    let record = good()
        .with("CleanupOlderThan", "30D")
        .with("Prune", "always")
        .with("SMBHost", "");
    let job = Job::read(&name(), &record).unwrap();
    let age = Age {
        days: 30,
        ..Age::default()
    };
    assert_eq!(job.retention, Retention::KeepWithin(age));
    assert_eq!(job.prune, Prune::Always);
    assert_eq!(job.place, Place::Local("/srv/backup".into()));
    assert!(job.enabled);
    assert_eq!(check(&name(), &record), []);
}

#[test]
fn empty_means_missing_and_missing_has_a_default() {
    let empty = good()
        .with("status", "")
        .with("CleanupOlderThan", "")
        .with("Prune", "")
        .with("BackupTime", "");
    let job = Job::read(&name(), &empty).unwrap();
    assert!(!job.enabled);
    assert_eq!((job.retention, job.prune), (Retention::Never, Prune::Weekday(0)));
    assert_eq!(check(&name(), &empty), []);
}

#[test]
fn every_spelling_that_old_records_have() {
    for never in ["never", "Never", "default"] {
        assert_eq!(
            Job::read(&name(), &good().with("CleanupOlderThan", never))
                .unwrap()
                .retention,
            Retention::Never
        );
    }
    for (value, day) in [("0", 0), ("6", 6), ("7", 0)] {
        assert_eq!(
            Job::read(&name(), &good().with("Prune", value)).unwrap().prune,
            Prune::Weekday(day)
        );
    }
    for age in ["1D", "364D", "1M", "1Y", "2w"] {
        assert_ne!(
            Job::read(&name(), &good().with("CleanupOlderThan", age))
                .unwrap()
                .retention,
            Retention::Never
        );
    }
}

#[test]
fn an_error_names_record_property_value_and_what_is_allowed() {
    let (text, hint) = message(&good().with("CleanupOlderThan", "soon"));
    assert_eq!(
        text,
        "backup nightly: CleanupOlderThan is `soon`, and must be never, or an age such as 30D, 6M or 1Y"
    );
    assert_eq!(
        hint,
        "change it with `db backups setprop nightly CleanupOlderThan VALUE`"
    );
    for (property, value) in [
        ("status", "on"),
        ("Prune", "8"),
        ("Prune", "-1"),
        ("LocalDirectory", "srv"),
    ] {
        let (text, _) = message(&good().with(property, value));
        assert!(
            text.contains(&format!("{property} is `{value}`, and must be ")),
            "{text}"
        );
    }
    let (text, _) = message(&good().with("LocalDirectory", ""));
    assert_eq!(
        text,
        "backup nightly: LocalDirectory is missing, and must be the absolute path of a folder"
    );
}

#[test]
fn what_this_version_has_not_is_told_from_what_nobody_has() {
    let (text, hint) = message(&Record {
        kind: b"tar".into(),
        ..good()
    });
    assert_eq!(
        text,
        "backup nightly: type is `tar`, and must be duplicity, restic or rsync"
    );
    assert_eq!(hint, "change it with `db backups settype nightly restic`");
    let (text, _) = message(&good().with("VFSType", "floppy"));
    assert!(
        text.contains("VFSType is `floppy`, and must be local, usb, cifs"),
        "{text}"
    );
    assert!(message(&good().with("VFSType", "")).0.contains("VFSType is missing"));
}

#[test]
fn a_storage_has_its_own_properties_and_its_engines() {
    let job = |record: &Record| Job::read(&name(), record).unwrap();
    let sftp = Record::of_kind("rsync")
        .with("VFSType", "sftp")
        .with("SftpHost", "h.example.org")
        .with("SftpPort", "2222")
        .with("SftpUser", "u")
        .with("SftpDirectory", "backup");
    assert_eq!(job(&sftp).location(), "sftp:u@h.example.org:backup port 2222");
    let s3 = Record::of_kind("restic")
        .with("VFSType", "s3")
        .with("S3Host", "s3.example.org")
        .with("S3Bucket", "b")
        .with("S3AccessKey", "public")
        .with("S3SecretKey", "very secret");
    assert_eq!(job(&s3).location(), "s3:s3.example.org/b");
    assert!(!format!("{:?}", job(&s3)).contains("very secret"));
    for (property, value) in [
        ("S3Style", "host"),
        ("S3LockMode", "forever"),
        ("S3LockDays", "0"),
        ("S3LockDays", "7"),
        ("S3LockMode", "governance"),
    ] {
        // One half of a lock would lock nothing.
        let (text, _) = message(&s3.clone().with(property, value));
        assert!(text.contains("S3Style is") || text.contains("S3Lock"), "{text}");
    }
    let locked = s3
        .clone()
        .with("S3Style", "virtual")
        .with("S3LockMode", "governance")
        .with("S3LockDays", "30");
    let Place::S3 { style, lock, .. } = job(&locked).place else {
        panic!("it is a bucket");
    };
    let wanted = backends::s3::ObjectLock {
        mode: "GOVERNANCE".to_owned(),
        days: 30,
    };
    assert_eq!((style, lock), (backends::s3::Style::Virtual, Some(wanted)));
    let (text, _) = message(&Record {
        kind: b"rsync".into(),
        ..s3
    });
    let allowed = "local, usb, cifs, nfs or sftp with the rsync engine: \
                   a bucket holds objects, without hard links, owners and modes";
    assert_eq!(text, format!("backup nightly: VFSType is `s3`, and must be {allowed}"));
    let rest = Record::of_kind("duplicity")
        .with("VFSType", "rest")
        .with("RestHost", "h");
    assert!(message(&rest).0.contains("with the duplicity engine"));
    for (property, value) in [("SftpHost", "-oProxyCommand=x"), ("SftpHost", "a b"), ("SftpPort", "0")] {
        assert!(message(&sftp.clone().with(property, value)).0.contains(property));
    }
    let dav = Record::of_kind("restic").with("VFSType", "webdav");
    let with_login = dav.with("WebDAVUrl", "https://me:secret@h/dav");
    assert!(!message(&with_login).0.contains("me:secret"));
}

fn of_engine(kind: &str) -> Record {
    Record {
        kind: kind.into(),
        ..good()
    }
}

#[test]
fn an_engine_has_its_own_properties() {
    let job = |record: &Record| Job::read(&name(), record).unwrap();
    // A record without a type is one of duplicity's.
    for kind in ["", "duplicity"] {
        let plain = job(&of_engine(kind));
        assert_eq!(plain.engine, EngineName::Duplicity);
        assert_eq!(plain.sets, Sets::default());
    }
    let record = of_engine("duplicity")
        .with("Type", "incremental")
        .with("FullDay", "7")
        .with("VolSize", "25")
        .with("Encrypt", "enabled");
    let sets = job(&record).sets;
    assert_eq!(
        (sets.full_day, sets.volume_size.get(), sets.encrypt),
        (Some(0), 25 << 20, true)
    );
    assert_eq!(check(&name(), &record), []);
    let record = of_engine("rsync").with("Strategy", "1:1 7:30");
    assert_eq!(job(&record).strategy, Strategy::parse("1:1 7:30").unwrap());
    assert_eq!(job(&of_engine("rsync")).strategy, Strategy::default());
}

#[test]
fn nonsense_matters_only_to_the_engine_that_reads_it() {
    let nonsense = [
        ("Type", "total"),
        ("FullDay", "8"),
        ("FullFrom", "nowhere"),
        ("VolSize", "0"),
        ("Encrypt", "yes"),
        ("Strategy", "1"),
    ];
    for (property, value) in nonsense {
        let reader = if property == "Strategy" { "rsync" } else { "duplicity" };
        let (text, _) = message(&of_engine(reader).with(property, value));
        assert!(
            text.contains(&format!("{property} is `{value}`, and must be ")),
            "{text}"
        );
        assert_eq!(check(&name(), &of_engine(reader).with(property, value)).len(), 1);
        assert_eq!(check(&name(), &of_engine("restic").with(property, value)), []);
        assert!(Job::read(&name(), &of_engine("restic").with(property, value)).is_ok());
    }
}

#[test]
fn a_damaged_record_is_not_guessed_at() {
    let record = Record::decode(b"restic|LocalDirectory|/srv\\|VFSType|local");
    assert!(message(&record).0.contains("the record is damaged"));
}

#[test]
fn a_check_finds_everything_at_once() {
    let wrong = good()
        .with("BackupTime", "3:00")
        .with("Notify", "sometimes")
        .with("vfstype", "x")
        .with("Colour", "red");
    let texts: Vec<_> = check(&name(), &wrong).iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts[0].contains("BackupTime is `3:00`, and must be five fields of cron"));
    assert!(texts[0].ends_with("which cron writes as `0 3 * * *`"), "{}", texts[0]);
    assert!(texts[1].contains("there is no property Colour"));
    assert!(texts[3].contains("Notify is `sometimes`"));
    let hints: Vec<_> = check(&name(), &wrong).iter().filter_map(Failure::hint).collect();
    assert_eq!(hints[2], "did you mean VFSType?");
}

#[test]
fn no_password_is_shown() {
    let fields = good().with("SMBPassword", "geheim");
    let fields = Fields::new("nightly", &fields).unwrap();
    let text = fields.wrong("SMBPassword", b"geheim", "something else").to_string();
    assert!(!text.contains("geheim"), "{text}");
}

#[test]
fn what_an_older_program_read_is_a_note() {
    let notes = |record: &Record| {
        let errors = check(&name(), record);
        assert!(errors.iter().all(RecordError::is_note), "{errors:?}");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        notes(&good().with("Program", "restic").with("Mount", "")),
        Vec::<String>::new()
    );
    let texts = notes(&good().with("Program", "rsync").with("Mount", "/mnt/backup"));
    assert!(
        texts[0].starts_with("backup nightly: Mount has no effect: "),
        "{texts:?}"
    );
    assert!(
        texts[1].contains("Program has no effect: the engine is the type"),
        "{texts:?}"
    );
    let untyped = of_engine("").with("Program", "restic");
    assert_eq!(Job::read(&name(), &untyped).unwrap().engine, EngineName::Restic);
    assert!(notes(&untyped)[0].contains("as long as there is none"));
}

#[test]
fn a_misspelled_property_is_recognised() {
    let meant = |wrong: &str| {
        check(&name(), &good().with(wrong, "x"))
            .iter()
            .find_map(Failure::hint)
            .unwrap()
    };
    assert_eq!(meant("CleanUpOlderThan"), "did you mean CleanupOlderThan?");
    assert_eq!(meant("NotifiTo"), "did you mean NotifyTo?");
    assert_eq!(meant("NFShare"), "did you mean NFSShare?");
    assert_eq!(meant("Colour"), "take it out with `db backups delprop nightly Colour`");
}

#[test]
fn what_no_job_holds_is_checked_too() {
    let bad = [
        ("Notify", "sometimes"),
        ("NotifyTo", "a@b, c d"),
        ("NotifyTo", "x\nBcc: y@z"),
        ("NotifyFrom", "-oQ/tmp"),
        ("BackupTime", "1:00"),
        ("Program", "tar"),
    ];
    for (property, value) in bad {
        let errors = check(&name(), &good().with(property, value));
        assert_eq!(errors.first().map(RecordError::property), Some(property), "{errors:?}");
        assert!(
            Job::read(&name(), &good().with(property, value)).is_ok(),
            "it keeps no job from running"
        );
    }
    let good = good()
        .with("NotifyTo", "root@localhost, ann@example.org,bob")
        .with("BackupTime", "@daily");
    assert_eq!(check(&name(), &good), []);
}

/// Names and values with blanks, quotes, pipes and line breaks are taken as they are or refused, and never guessed at.
#[test]
fn strange_text_in_every_property() {
    for text in ["a b", "a'b", "a\"b", "a|b", "a\nb", "$(x)", "a;b", "\u{e4}", "", " "] {
        for property in properties::KNOWN {
            let record = good().with(property.name, text);
            let errors = check(&name(), &record);
            let read = Job::read(&name(), &record);
            if errors.iter().all(RecordError::is_note) {
                assert!(read.is_ok(), "{}={text:?}: {read:?}", property.name);
            }
            if property.name == "LocalDirectory" && read.is_ok() {
                assert!(text.starts_with('/'));
            }
        }
    }
}

#[test]
fn names_are_safe_in_paths_and_lines() {
    for good in ["backup-data", "t2", "a.b@c", "_x"] {
        assert!(JobName::new(good).is_ok(), "{good}");
    }
    let long = "x".repeat(101);
    for bad in ["", ".", "..", "-b", "a/b", "a b", "a\nb", "ä", "a|b", &long] {
        assert!(JobName::new(bad).is_err(), "{bad}");
    }
}
