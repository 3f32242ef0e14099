use proptest::prelude::*;

use super::*;
use crate::format::quote::unquote;

const EXAMPLE: &str = "Hostname vm
Localdir T
Volume 1:
    StartingPath   .  
    EndingPath     big.bin 15
    Hash SHA1 7acdbe00a7a1885f87c9372727059bcacae19390
Volume 2:
    StartingPath   big.bin 16
    EndingPath     z_text.log  
    Hash SHA1 f36d231c7fc63fb2583afaed244072945df34ecf
Filelist 3
    new      a.txt
    changed  \"name\\x20with\\x20space\"
    deleted  dir1/sub/f2
";

/// The list of files, of every part of it that stands in the text.
fn changed_files(text: &[u8]) -> impl Iterator<Item = ChangedFile> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let words: Vec<&[u8]> = line.trim_ascii().splitn(2, |byte| *byte == b' ').collect();
        let how = match *words.first()? {
            b"new" => Difference::New,
            b"changed" => Difference::Changed,
            b"deleted" => Difference::Deleted,
            _ => return None,
        };
        let path = TreePath::parse(&unquote(words.get(1)?.trim_ascii()))?;
        Some(ChangedFile { how, path })
    })
}

fn write(manifest: &Manifest, files: &[ChangedFile]) -> Vec<u8> {
    let mut text = manifest.text(files.len() as u64);
    files.iter().for_each(|file| file.write_to(&mut text));
    text
}

#[test]
fn a_real_one_is_read_and_written_byte_for_byte() {
    let manifest = Manifest::parse(EXAMPLE.as_bytes()).unwrap();
    let files: Vec<ChangedFile> = changed_files(EXAMPLE.as_bytes()).collect();
    assert_eq!(manifest.host.as_deref(), Some(b"vm".as_slice()));
    assert_eq!(manifest.volumes[&1].end.part, Some(15));
    assert!(manifest.volumes[&1].start.path.is_root());
    assert_eq!(manifest.volumes[&2].hash("SHA1").unwrap().len(), 20);
    assert_eq!(files.len(), 3);
    assert_eq!(files[1].path.as_bytes(), b"name with space");
    assert_eq!(String::from_utf8(write(&manifest, &files)).unwrap(), EXAMPLE);
}

fn blocks(numbers: &[u32]) -> String {
    let block =
        |number: &u32| format!("Volume {number}:\n  StartingPath a\n  EndingPath b{number} 3\n  Hash SHA1 00\n");
    numbers.iter().map(block).collect()
}

#[test]
fn after_a_resume_the_later_block_counts_and_what_lies_above_the_last_is_dropped() {
    let manifest = Manifest::parse(blocks(&[1, 2, 3, 2]).as_bytes()).unwrap();
    assert_eq!(manifest.volumes.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(manifest.resumed_at, [2]);
    let middle = format!(
        "{}Filelist 1\n    new      x\n{}Filelist 1\n    new      y\n",
        blocks(&[1, 2]),
        blocks(&[2, 3])
    );
    let manifest = Manifest::parse(middle.as_bytes()).unwrap();
    assert_eq!(manifest.volumes.len(), 3);
    assert_eq!(changed_files(middle.as_bytes()).count(), 2);
}

#[test]
fn strange_lines_and_cases_are_forgiven() {
    let text = "HOSTNAME h\nengine X\nVOLUME 1:\n startingpath .\n size 5\n ENDINGPATH \"a\\x20b\"\n hash sha256 00ff\n hash MD5 01\n";
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    assert_eq!(manifest.volumes[&1].end.path.as_bytes(), b"a b");
    assert_eq!(manifest.volumes[&1].hash("MD5"), Some([1].as_slice()));
    assert_eq!(manifest.file_count, None);
}

#[test]
fn broken_ones_are_refused() {
    for text in [
        "",
        "garbage",
        "Volume x:\n",
        "Volume 1:\n",
        "Volume 0:\n",
        "Volume 1:\n StartingPath ..\n",
    ] {
        assert!(Manifest::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(Manifest::parse(blocks(&[1, 3]).as_bytes()).unwrap().gaps(), [2]);
}

#[test]
fn ranges_lead_to_volumes() {
    let path = |text: &str| TreePath::parse(text.as_bytes()).unwrap();
    let info = &Manifest::parse(EXAMPLE.as_bytes()).unwrap().volumes;
    assert!(info[&1].may_hold(&path("a.txt")));
    assert!(info[&1].may_hold(&path("big.bin")) && info[&2].may_hold(&path("big.bin")));
    assert!(!info[&2].may_hold(&path("a.txt")) && !info[&1].may_hold(&path("c")));
    assert!(info[&2].may_hold(&TreePath::root()));
}

proptest! {
    #[test]
    fn any_text_is_harmless(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Manifest::parse(&text);
    }

    #[test]
    fn what_is_written_is_read(
        names in proptest::collection::vec(proptest::collection::vec(1_u8..=255, 1..12), 1..6),
        part in proptest::option::of(1_u64..100),
        tags in proptest::collection::vec("[a-z ]{1,6}", 0..3),
    ) {
        let paths: Vec<TreePath> = names.iter().filter_map(|name| TreePath::parse(name)).collect();
        prop_assume!(!paths.is_empty());
        let mut manifest = Manifest {
            host: Some(b"h".to_vec()),
            dir: Some(paths[0].as_bytes().to_vec()).filter(|dir| !dir.is_empty()),
            ..Manifest::default()
        };
        manifest.notes.tags = tags;
        for (number, path) in (1..).zip(&paths) {
            let end = PathEnd { path: path.clone(), part };
            manifest.volumes.insert(number, VolumeInfo { start: end.clone(), end, hashes: vec![("SHA1".to_owned(), vec![7; 20])] });
        }
        let files: Vec<ChangedFile> = paths.iter().map(|path| ChangedFile { how: Difference::New, path: path.clone() }).collect();
        manifest.file_count = Some(files.len() as u64);
        let text = write(&manifest, &files);
        prop_assert_eq!(Manifest::parse(&text).unwrap(), manifest);
        prop_assert_eq!(changed_files(&text).collect::<Vec<_>>(), files);
    }
}
