use rustix::fs::OFlags;

use engine_api::EntryKind;

use super::super::plan::Node;
use super::super::scope::Rules;
use super::*;
use crate::Stat;

/// A folder of `files` files after `folders` folders, of which the first batch is read.
fn listing(folders: usize, files: usize) -> Listing {
    let fd = std::fs::File::open("/").unwrap();
    let stat = Stat::from(rustix::fs::fstat(&fd).unwrap());
    let mut names = NameTable::default();
    for number in 0..folders + files {
        let name = std::ffi::CString::new(format!("{number:06}")).unwrap();
        names.push(&name, false).unwrap();
    }
    let first = rows(&names, 0, folders, stat);
    let rules = Rules {
        excludes: None,
        exclude_caches: false,
        one_file_system: false,
    };
    let dir = Dir::root(fd.into(), "/".into(), OFlags::RDONLY);
    let scope = Arc::new(Scope::root(Arc::<Node>::default(), &rules, stat.device));
    Listing {
        dir,
        scope,
        names: Arc::new(names),
        first,
        messages: Vec::new(),
    }
}

fn rows(names: &NameTable, batch: usize, folders: usize, stat: Stat) -> Vec<Row> {
    let kind = |index| {
        if index < folders {
            EntryKind::Dir
        } else {
            EntryKind::File
        }
    };
    names
        .batch(batch)
        .map(|index| {
            Row::Entry(
                index.try_into().unwrap(),
                Stat {
                    kind: kind(index),
                    ..stat
                },
            )
        })
        .collect()
}

fn folder_task(task: Option<Task>) -> (Id, u32) {
    match task {
        Some(Task::Folder { id, index, .. }) => (id, index),
        Some(Task::Batch { id, batch, .. }) => panic!("batch {batch} of {id} instead of a folder"),
        None => panic!("nothing instead of a folder"),
    }
}

#[test]
fn reading_ahead_follows_the_order_of_the_walk_whatever_is_ready_first() {
    let mut schedule = Schedule::default();
    let root = schedule.add_root(listing(3, 0));
    schedule.enter(root);
    let (first, second) = (folder_task(schedule.next_task()), folder_task(schedule.next_task()));
    assert_eq!((first.1, second.1), (0, 1));
    // The second is ready before the first: what is in it comes after what is in the first, and before the third.
    schedule.opened(second.0, listing(2, 0));
    schedule.opened(first.0, listing(1, 0));
    let in_first = folder_task(schedule.next_task());
    schedule.opened(in_first.0, listing(1, 5));
    let expected = [0, 0, 1, 2];
    let order: Vec<u32> = expected.iter().map(|_| folder_task(schedule.next_task()).1).collect();
    assert_eq!(
        order, expected,
        "in the first's folder, in the second, again, the third"
    );
    assert!(schedule.next_task().is_none(), "everything is being read");
}

#[test]
fn reading_ahead_stops_at_its_limit_and_goes_on_when_there_is_room() {
    let mut schedule = Schedule::default();
    let root = schedule.add_root(listing(500, 0));
    schedule.enter(root);
    let mut read = Vec::new();
    while let Some(Task::Folder { id, .. }) = schedule.next_task() {
        schedule.opened(id, listing(0, 1000));
        read.push(id);
    }
    assert_eq!(read.len(), (AHEAD - 500).div_ceil(2000));
    assert!(!schedule.is_hungry());
    let Turn::Ready(rows) = schedule.turn_to_batch(root) else {
        panic!("the root is read")
    };
    assert_eq!(rows.len(), 500);
    for index in 0..10 {
        let Turn::Ready(id) = schedule.turn_to_folder(root, index, 0) else {
            panic!("it is read ahead")
        };
        schedule.enter(id);
        let Turn::Ready(_) = schedule.turn_to_batch(id) else {
            panic!("its batch is read")
        };
        assert!(matches!(schedule.turn_to_batch(id), Turn::End));
        schedule.leave(Some((root, index)), id);
    }
    assert!(schedule.is_hungry());
    assert_eq!(folder_task(schedule.next_task()).1 as usize, read.len());
}

#[test]
fn the_batches_of_a_wide_folder_are_read_at_once_and_taken_in_order() {
    let mut schedule = Schedule::default();
    let wide = listing(0, 4000);
    let (names, stat) = (Arc::clone(&wide.names), Stat::from(rustix::fs::stat("/").unwrap()));
    let root = schedule.add_root(wide);
    schedule.enter(root);
    let batch_task = |task| {
        if let Some(Task::Batch { batch, .. }) = task {
            batch
        } else {
            panic!("no batch")
        }
    };
    let batches = [batch_task(schedule.next_task()), batch_task(schedule.next_task())];
    assert_eq!(batches, [1, 2]);
    // Folders in the second of them are not looked into before those in the first.
    schedule.batch_read(root, 2, rows(&names, 2, 4000, stat));
    assert_eq!(batch_task(schedule.next_task()), 3);
    assert!(schedule.next_task().is_none());
    assert!(matches!(schedule.turn_to_batch(root), Turn::Ready(_)));
    assert!(matches!(schedule.turn_to_batch(root), Turn::Wait));
    schedule.batch_read(root, 1, rows(&names, 1, 0, stat));
    assert_eq!(folder_task(schedule.next_task()).1, 2048);
    // The walk comes to a folder that nobody reads yet.
    assert!(matches!(schedule.turn_to_batch(root), Turn::Ready(_)));
    assert!(matches!(schedule.turn_to_batch(root), Turn::Ready(_)));
    assert!(matches!(schedule.turn_to_folder(root, 2048, 0), Turn::Wait));
    assert!(matches!(
        schedule.turn_to_folder(root, 2049, 0),
        Turn::Read(Task::Folder { index: 2049, .. })
    ));
    assert_eq!(folder_task(schedule.next_task()).1, 2050);
}
