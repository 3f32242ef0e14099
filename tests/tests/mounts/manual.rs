//! The examples of NethServer's own manual that mount a share, typed as they stand there. These tests run inside the guest,
//! whose servers have the names, logins and shares that stand there; the others are among those of the program.

use std::process::Command;

use holdfast_tests::world::{NAMES, program, surround};

use crate::guest::inside;

/// Every day at 22:00 to a share, with ten days of retention.
const DUPLICITY_TO_CIFS: &str = r#"
db backups set mybackup1 duplicity VFSType cifs BackupTime '0 22 * * *' CleanupOlderThan 10D Notify error NotifyTo root@localhost status enabled \
  SMBHost nas.localnethserver.org SMBLogin myuser SMBPassword mypassword SMBShare mybackup
signal-event nethserver-backup-data-save mybackup1
"#;

/// The mail alone, each hour, to an export.
const RESTIC_TO_NFS: &str = r#"
db backups set mymailbackup restic status enabled BackupTime '0 * * * *' Notify error NotifyTo root@localhost \
     VFSType nfs NFSHost nsfs.server.loc NFSShare test CleanupOlderThan 1d Prune 0
echo "/var/lib/nethserver/vmail" > /etc/backup-data/mymailbackup.include
touch /etc/backup-data/mymailbackup.exclude
signal-event nethserver-backup-data-save mymailbackup
"#;

/// A NethServer with data of an office and mail; nothing of it outlives the guest.
fn nethserver() -> String {
    let mut lines = format!(
        "mkdir -p /var/lib/nethserver/db /var/lib/nethserver/secrets /etc/backup-data.d /etc/backup-data /usr/sbin/e-smith\n\
         ln -sf {} /usr/bin/holdfast\n",
        program().display()
    );
    for name in NAMES {
        lines += &format!("ln -sf /usr/bin/holdfast /usr/sbin/e-smith/{name}\n");
    }
    lines + DATA
}

const DATA: &str = r#"
not() { if "$@"; then return 1; fi; }
data=/var/lib/nethserver
mkdir -p $data/ibay/test $data/vmail/jane/cur
echo 'a file of the office' >$data/ibay/test/myfile
echo 'a letter' >$data/vmail/jane/cur/1
printf '/var/lib/nethserver/ibay\n/var/lib/nethserver/vmail\n' >/etc/backup-data.d/custom.include
"#;

/// Types it; every line must succeed.
fn good(script: &str) {
    let mut command = Command::new("bash");
    surround(&mut command).args(["-euxo", "pipefail", "-c", script]);
    let output = command.current_dir("/").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn duplicity_to_a_share_at_ten_in_the_evening_with_ten_days_of_retention() {
    if !inside() {
        return;
    }
    let seen = r#"
grep -E '^0 22 \* \* \* +root +.*backup-data-wrapper +mybackup1' /etc/cron.d/backup-data
"#;
    let used = r#"
backup-data -b mybackup1 | grep -x 'Backup status: SUCCESS'
backup-data-list -b mybackup1 | grep /var/lib/nethserver/ibay/test/myfile
restore-file -b mybackup1 /tmp "/var/lib/nethserver/ibay/test/myfile"
diff /tmp/var/lib/nethserver/ibay/test/myfile $data/ibay/test/myfile
rm $data/ibay/test/myfile
restore-data -b mybackup1
test "$(cat $data/ibay/test/myfile)" = 'a file of the office'
"#;
    // Ten days are the manual's: after nine the first backup is still there, after eleven it is not.
    let retained = r#"
fulls() { find /srv/mybackup -name 'duplicity-full.*.manifest' | wc -l; }
test "$(fulls)" = 1
date -s '+9 days'
backup-data -b mybackup1 | grep -x 'Backup status: SUCCESS'
test "$(fulls)" = 2
date -s '+2 days'
backup-data -b mybackup1 | grep -x 'Backup status: SUCCESS'
test "$(fulls)" = 2
backup-data-list -b mybackup1 | grep /var/lib/nethserver/ibay/test/myfile
not mountpoint -q /mnt/backup-mybackup1
test -z "$(ls -A /mnt/backup-mybackup1)"
"#;
    good(&[&nethserver(), DUPLICITY_TO_CIFS, seen, used, retained].concat());
}

#[test]
fn restic_to_an_export_each_hour_with_a_list_of_its_own() {
    if !inside() {
        return;
    }
    let seen = r#"
grep -E '^0 \* \* \* \* +root +.*backup-data-wrapper +mymailbackup' /etc/cron.d/backup-data
"#;
    let used = r#"
backup-data -b mymailbackup | grep -x 'Backup status: SUCCESS'
backup-data-list -b mymailbackup >/tmp/listed
grep /var/lib/nethserver/vmail/jane/cur/1 /tmp/listed
not grep ibay /tmp/listed
restore-file -b mymailbackup /tmp "/var/lib/nethserver/vmail/jane/cur/1"
diff /tmp/var/lib/nethserver/vmail/jane/cur/1 $data/vmail/jane/cur/1
rm $data/vmail/jane/cur/1
restore-data -b mymailbackup
test "$(cat $data/vmail/jane/cur/1)" = 'a letter'
"#;
    let retained = r#"
test "$(ls /srv/test/snapshots | wc -l)" = 1
date -s '+1 hour'
backup-data -b mymailbackup | grep -x 'Backup status: SUCCESS'
test "$(ls /srv/test/snapshots | wc -l)" = 2
date -s '+2 days'
backup-data -b mymailbackup | grep -x 'Backup status: SUCCESS'
test "$(ls /srv/test/snapshots | wc -l)" = 1
not mountpoint -q /mnt/backup-mymailbackup
test -z "$(ls -A /mnt/backup-mymailbackup)"
"#;
    good(&[&nethserver(), RESTIC_TO_NFS, seen, used, retained].concat());
}
