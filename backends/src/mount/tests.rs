use std::path::Path;

use super::table::Table;
use super::usb;

#[test]
fn d20_the_kernels_table_is_read_with_its_escapes_and_compared_exactly() {
    let text = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
        36 27 98:1 / /mnt/a\\040b rw master:1 - ext4 /dev/sdb1 rw\n\
        37 27 0:50 / /mnt/a\\040b rw shared:2 master:1 - cifs //h/s\\134x rw\nnonsense\n";
    let table = Table::parse(text);
    let top = table.at(Path::new("/mnt/a b")).unwrap();
    assert_eq!((top.kind.as_str(), top.source.as_slice()), ("cifs", &b"//h/s\\x"[..]));
    assert_eq!(table.of_device((98, 1)).count(), 1);
    assert_eq!(table.at(Path::new("/mnt")), None);
}

#[test]
fn disks_are_read_from_lsblk() {
    let json = r#"{"blockdevices": [
        {"path":"/dev/sr0","label":null,"fstype":null,"size":100,"rm":true,"hotplug":true,"model":"CD","type":"rom"},
        {"path":"/dev/zram0","label":null,"fstype":null,"size":0,"rm":false,"hotplug":false,"model":null,"type":"disk"},
        {"path":"/dev/sdb1","label":"my disk","fstype":"ext4","size":1000,"rm":false,"hotplug":true,"model":"X ","type":"part"}]}"#;
    let disks = usb::parse(json).unwrap();
    assert_eq!(disks.len(), 1);
    assert_eq!(disks[0].label.as_deref(), Some("my disk"));
    assert!(disks[0].removable);
    assert!(usb::parse("[]").is_err());
}

#[test]
fn a_label_that_no_disk_has_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = usb::Settings {
        label: "holdfast no such disk".into(),
        spot: super::Spot {
            point: folder.path().join("mnt"),
            folder: "x".into(),
            locks: folder.path().join("locks"),
            patience: super::Spot::PATIENCE,
        },
        needs_links: false,
    };
    let error = usb::open(&settings, true).err().unwrap();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot mount the disk labelled `holdfast no such disk` in {}",
            settings.spot.point.display()
        )
    );
    assert!(!folder.path().join("mnt/x").exists());
}
