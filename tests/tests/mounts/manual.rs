//! The examples of NethServer's manual that mount a share, typed as they stand there, in the guest (see `guest`).

use std::process::Command;

use holdfast_tests::world::program;

/// Every day at 22:00 to a Windows share, kept for ten days.
const DUPLICITY_TO_CIFS: &str = r#"
db backups set mybackup1 duplicity VFSType cifs BackupTime '0 22 * * *' CleanupOlderThan 10D Notify error NotifyTo root@localhost status enabled \
  SMBHost nas.localnethserver.org SMBLogin myuser SMBPassword mypassword SMBShare mybackup
signal-event nethserver-backup-data-save mybackup1
"#;

/// The mail alone, each hour, to an NFS server.
const RESTIC_TO_NFS: &str = r#"
db backups set mymailbackup restic status enabled BackupTime '0 * * * *' Notify error NotifyTo root@localhost \
VFSType nfs NFSHost nsfs.server.loc NFSShare test CleanupOlderThan 1d Prune 0
echo "/var/lib/nethserver/vmail" > /etc/backup-data/mymailbackup.include
touch /etc/backup-data/mymailbackup.exclude
signal-event nethserver-backup-data-save mymailbackup
"#;

/// Makes this guest a NethServer with some data and runs the lines there.
fn typed(lines: &str) {
    let machine = r#"
set -ex
mkdir -p /var/lib/nethserver/db /var/lib/nethserver/secrets /etc/backup-data.d /etc/backup-data /usr/sbin/e-smith
for name in db config signal-event backup-data backup-data-list restore-data restore-file; do
    ln -sf "$HOLDFAST_TEST_PROGRAM" /usr/sbin/e-smith/$name
done
export PATH=$PATH:/sbin/e-smith
mkdir -p /var/lib/nethserver/{vmail/ann/cur,ibay/test}
echo 'Subject: hello' >/var/lib/nethserver/vmail/ann/cur/1
echo 'a file of the office' >/var/lib/nethserver/ibay/test/myfile
echo /var/lib/nethserver >/etc/backup-data.d/custom.include
"#;
    let run = Command::new("bash")
        .args(["-c", &format!("{machine}{lines}")])
        .env("HOLDFAST_TEST_PROGRAM", program())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{out}{err}");
}

#[test]
fn duplicity_to_a_windows_share_at_ten_in_the_evening() {
    if !crate::guest::inside() {
        return;
    }
    typed(&format!(
        r#"{DUPLICITY_TO_CIFS}
grep -E '^0 22 \* \* \* +root +.*backup-data-wrapper +mybackup1' /etc/cron.d/backup-data
backup-data -b mybackup1
ls /srv/mybackup/*/ | grep 'duplicity-full.*.manifest'
rm /var/lib/nethserver/ibay/test/myfile
restore-data -b mybackup1
grep office /var/lib/nethserver/ibay/test/myfile
! mount | grep backup-mybackup1"#
    ));
}

#[test]
fn the_mail_alone_to_an_export_each_hour() {
    if !crate::guest::inside() {
        return;
    }
    typed(&format!(
        r#"{RESTIC_TO_NFS}
grep -E '^0 \* \* \* \* +root +.*backup-data-wrapper +mymailbackup' /etc/cron.d/backup-data
backup-data -b mymailbackup
ls /srv/test/snapshots
test "$(backup-data-list -f -b mymailbackup | grep -c ibay)" = 0
rm /var/lib/nethserver/vmail/ann/cur/1
restore-file -b mymailbackup / /var/lib/nethserver/vmail/ann
grep hello /var/lib/nethserver/vmail/ann/cur/1
! mount | grep backup-mymailbackup"#
    ));
}
