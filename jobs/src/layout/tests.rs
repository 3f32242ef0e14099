use super::*;

fn paths(layout: &Layout) -> Vec<&Path> {
    let own = [
        &layout.databases,
        &layout.lists,
        &layout.job_lists,
        &layout.secrets,
        &layout.restic_cache,
        &layout.duplicity_cache,
        &layout.logs,
        &layout.status,
        &layout.locks,
        &layout.mounts,
    ];
    own.into_iter().map(PathBuf::as_path).collect()
}

#[test]
fn a_root_moves_everything_and_its_databases_choose_the_convention() {
    let folder = tempfile::tempdir().unwrap();
    let surroundings = Surroundings {
        root: Some(folder.path().to_owned()),
        ..Surroundings::default()
    };
    let fhs = Layout::find(&surroundings).unwrap();
    assert_eq!(fhs.convention, Convention::Fhs);
    assert_eq!(fhs.databases, folder.path().join("etc/holdfast/db"));
    std::fs::create_dir_all(folder.path().join(NETHSERVER_DATABASES)).unwrap();
    let nethserver = Layout::find(&surroundings).unwrap();
    assert_eq!(nethserver.convention, Convention::NethServer);
    for path in paths(&fhs).into_iter().chain(paths(&nethserver)) {
        assert!(path.starts_with(folder.path()), "{}", path.display());
    }
}

#[test]
fn nethservers_paths_are_nethservers() {
    let layout = Layout::nethserver(Path::new("/"));
    let name = JobName::new("b1").unwrap();
    assert_eq!(
        layout.password(EngineName::Restic, &name),
        Path::new("/var/lib/nethserver/secrets/restic_b1")
    );
    assert_eq!(
        layout.job_list(&name, "include"),
        Path::new("/etc/backup-data/b1.include")
    );
    assert_eq!(layout.lists, Path::new("/etc/backup-data.d"));
    assert_eq!(layout.restic_cache, Path::new("/var/lib/nethserver/backup/restic"));
    assert_eq!(layout.logs, Path::new("/var/log/backup"));
    assert_eq!(layout.status, Path::new("/var/spool/backup"));
    assert_eq!(layout.mounts, Path::new("/mnt"));
}

#[test]
fn a_user_has_the_xdg_folders_and_root_has_not() {
    let user = Surroundings {
        home: Some("/home/u".into()),
        ..Surroundings::default()
    };
    let layout = Layout::find(&user).unwrap();
    assert_eq!(layout.convention, Convention::Xdg);
    assert_eq!(layout.secrets, Path::new("/home/u/.local/share/holdfast/secrets"));
    assert_eq!(layout.restic_cache, Path::new("/home/u/.cache/holdfast/restic"));
    assert_eq!(layout.logs, Path::new("/home/u/.local/state/holdfast/log"));
    let set = Surroundings {
        xdg: [Some("/c".into()), Some("relative".into()), None, None],
        ..user.clone()
    };
    let layout = Layout::find(&set).unwrap();
    assert!(layout.lists.starts_with("/c/holdfast"));
    assert!(layout.secrets.starts_with("/home/u"), "a relative one is ignored");
    assert!(matches!(
        Layout::find(&Surroundings::default()),
        Err(Error::NoHome { .. })
    ));
    assert_ne!(
        Layout::find(&Surroundings {
            superuser: true,
            ..user
        })
        .unwrap()
        .convention,
        Convention::Xdg
    );
}
