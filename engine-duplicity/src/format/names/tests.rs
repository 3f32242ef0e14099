use proptest::prelude::*;

use super::*;

fn time(text: &str) -> SetTime {
    SetTime::parse(text.as_bytes()).unwrap()
}

fn parse(name: &str) -> Option<FileName> {
    FileName::parse(name.as_bytes(), &Prefixes::default())
}

fn inc(start: &str, end: &str) -> SetId {
    SetId::Increment {
        start: time(start),
        end: time(end),
    }
}

#[test]
fn reads_the_current_style() {
    let (first, second) = ("20261121T194800Z", "20261122T194800Z");
    let full = SetId::Full(time(first));
    let cases = [
        (
            "duplicity-full.20261121T194800Z.vol12.difftar.gz",
            FileName::new(FileKind::Volume(12), full, Container::Gzip),
        ),
        (
            "duplicity-full.20261121T194800Z.manifest",
            FileName::new(FileKind::Manifest, full, Container::Plain),
        ),
        (
            "duplicity-inc.20261121T194800Z.to.20261122T194800Z.vol1.difftar.gpg",
            FileName::new(FileKind::Volume(1), inc(first, second), Container::OpenPgp),
        ),
        (
            "duplicity-new-signatures.20261121T194800Z.to.20261122T194800Z.sigtar.gz",
            FileName::new(FileKind::Signatures, inc(first, second), Container::Gzip),
        ),
        (
            "duplicity-full-signatures.20261121T194800Z.sigtar",
            FileName::new(FileKind::Signatures, full, Container::Plain),
        ),
        (
            "duplicity-full.20261121T194800Z.jsonstat.gz",
            FileName::new(FileKind::Stats, full, Container::Gzip),
        ),
    ];
    for (name, meaning) in cases {
        assert_eq!(parse(name), Some(meaning), "{name}");
        assert_eq!(meaning.write(&Prefixes::default()), name);
    }
    let mangled = parse("duplicity-full.20261121t194800z.vol12.difftar.gz");
    assert_eq!(mangled, Some(cases[0].1));
}

#[test]
fn reads_partial_files() {
    let part = parse("duplicity-full.20261121T194800Z.manifest.part").unwrap();
    assert!(part.partial);
    assert_eq!(
        part.write(&Prefixes::default()),
        "duplicity-full.20261121T194800Z.manifest.part"
    );
    assert!(
        parse("duplicity-full-signatures.20261121T194800Z.sigtar.part")
            .unwrap()
            .partial
    );
}

#[test]
fn reads_the_old_styles() {
    let volume = parse("df.tovbdm.1.dt.z").unwrap();
    assert_eq!((volume.kind, volume.container), (FileKind::Volume(1), Container::Gzip));
    let manifest = parse("di.tovbdm.tovbdn.m").unwrap();
    assert_eq!(manifest.kind, FileKind::Manifest);
    assert_eq!(manifest.set.end().seconds(), manifest.set.start().seconds() + 1);
    assert_eq!(parse("dns.tovbdm.tovbdn.st.g").unwrap().container, Container::OpenPgp);
    assert_eq!(parse("df.tovbdm.10.dt.z").unwrap().kind, FileKind::Volume(36));
    let old = parse("duplicity-inc.2026-11-21T20:56:11+01:00.to.2026-11-21T21:56:11+01:00.vol2.difftar.gz").unwrap();
    assert_eq!(old.set, inc("20261121T195611Z", "20261121T205611Z"));
}

#[test]
fn leaves_strangers_alone() {
    for name in [
        "",
        "backup-config.tar.xz",
        "duplicity-full.20261121T194800Z.vol1.difftar.gpg.vol000+20.par2",
        "duplicity-full.20261121T194800Z.vol0.difftar.gz",
        "duplicity-full.20261121T194800Z.volx.difftar.gz",
        "duplicity-full.19700101T000000Z.manifest",
        "duplicity-full.20261121T194800Z.manifesto",
        "duplicity-inc.20261121T194800Z.manifest",
    ] {
        assert_eq!(parse(name), None, "{name}");
    }
}

#[test]
fn prefixes_are_compared_literally() {
    let prefixes = Prefixes {
        all: "P-".to_owned(),
        archive: "A-".to_owned(),
        manifest: "M-".to_owned(),
        signature: "S-".to_owned(),
        stats: String::new(),
    };
    let set = SetId::Full(time("20261121T195609Z"));
    for (kind, name) in [
        (FileKind::Volume(1), "P-A-duplicity-full.20261121T195609Z.vol1.difftar"),
        (FileKind::Manifest, "P-M-duplicity-full.20261121T195609Z.manifest"),
        (
            FileKind::Signatures,
            "P-S-duplicity-full-signatures.20261121T195609Z.sigtar",
        ),
    ] {
        let meaning = FileName::new(kind, set, Container::Plain);
        assert_eq!(meaning.write(&prefixes), name);
        assert_eq!(FileName::parse(name.as_bytes(), &prefixes), Some(meaning));
        assert_eq!(parse(name), None);
    }
    let wild = Prefixes {
        all: "a+".to_owned(),
        ..Prefixes::default()
    };
    assert!(wild.has_pattern() && !prefixes.has_pattern());
}

proptest! {
    #[test]
    fn any_name_is_harmless(name in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = FileName::parse(&name, &Prefixes::default());
    }
}
