//! The examples of NethServer's own manual, typed as they stand there, against servers with the names, addresses and
//! passwords that stand there: the machine has a network of its own.
//!
//! Those that mount a share need a kernel with CIFS and NFS: they are among the tests of mounts, in the guest.

use std::path::Path;

use holdfast_tests::need;
use holdfast_tests::server::{Certificates, program};
use holdfast_tests::world::{NO_WORLD, World};

/// Every day at 7:15 to a server over SSH, with the password that the key exchange needs once.
const RSYNC_TO_SFTP: &str = r#"
db backups set mybackup1 rsync status enabled BackupTime '15 7 * * *' Notify error NotifyTo root@localhost \
  VFSType sftp SftpHost 192.168.1.2 SftpUser root SftpPort 22 SftpDirectory /mnt/mybackup1
echo -e "Nethesis,1234" > /tmp/mybackup1-password; signal-event nethserver-backup-data-save mybackup1 /tmp/mybackup1-password
"#;

/// Every day at 3:00 to Amazon S3, without a limit.
const RESTIC_TO_S3: &str = r#"
db backups set mybackup1 restic VFSType s3 BackupTime '0 3 * * *' CleanupOlderThan never Notify error NotifyTo root@localhost status enabled \
  S3AccessKey XXXXXXXXXXXXXXXXXXXX S3Bucket restic-demo S3Host s3.amazonaws.com S3SecretKey xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx Prune 0
signal-event nethserver-backup-data-save mybackup1
"#;

/// Data, the manual's include list, and what follows each example: a run, a listing, a file from it.
const DATA: &str = r#"
mkdir -p /var/lib/nethserver/ibay/test
echo 'a file of the office' >/var/lib/nethserver/ibay/test/myfile
echo /var/lib/nethserver/ibay >/etc/backup-data.d/custom.include
"#;
const USE: &str = r#"
backup-data -b mybackup1 | grep -x 'Backup status: SUCCESS'
backup-data-list -b mybackup1 | grep /var/lib/nethserver/ibay/test/myfile
restore-file -b mybackup1 /tmp "/var/lib/nethserver/ibay/test/myfile"
diff /tmp/var/lib/nethserver/ibay/test/myfile /var/lib/nethserver/ibay/test/myfile
rm /var/lib/nethserver/ibay/test/myfile
restore-data -b mybackup1
test -s /var/lib/nethserver/ibay/test/myfile
"#;

#[test]
fn rsync_to_a_server_over_ssh_at_a_quarter_past_seven() {
    if !Path::new("/usr/sbin/sshd").exists() {
        holdfast_tests::skip::note(
            "rsync_to_a_server_over_ssh_at_a_quarter_past_seven",
            "there is no sshd here",
        );
        return;
    }
    let world = need!(World::nethserver(), NO_WORLD).alone();
    let server = r#"
ip() { if command -v /sbin/ip >/dev/null; then /sbin/ip "$@"; else busybox ip "$@"; fi; }
ip addr add 192.168.1.2/24 dev lo
echo 'root:Nethesis,1234' | chpasswd
mkdir -p /run/sshd /root/.ssh && chmod 700 /root/.ssh && : >/root/.ssh/authorized_keys
ssh-keygen -q -t ed25519 -N '' -f /tmp/host_key
/usr/sbin/sshd -f /dev/null -h /tmp/host_key -o UsePAM=no -o PermitRootLogin=yes -o PasswordAuthentication=yes \
    -o 'Subsystem=sftp internal-sftp' -o ListenAddress=192.168.1.2
"#;
    let seen = r#"
grep -E '^15 7 \* \* \* +root +.*backup-data-wrapper +mybackup1' /etc/cron.d/backup-data
test ! -e /tmp/mybackup1-password
test -s /root/.ssh/authorized_keys
"#;
    let copied = "diff /mnt/mybackup1/latest/var/lib/nethserver/ibay/test/myfile /var/lib/nethserver/ibay/test/myfile";
    let answer = world.run(&["set -x", server, DATA, RSYNC_TO_SFTP, seen, USE, copied].join("\n"));
    assert_eq!(answer.code, Some(0), "{}\n{}", answer.out, answer.err);
}

#[test]
fn restic_to_amazon_at_three_without_a_limit() {
    let rclone = need!(program("rclone"), "rclone is not installed");
    let world = need!(World::nethserver(), NO_WORLD).alone();
    let folder = tempfile::tempdir().unwrap();
    let names = ["s3.amazonaws.com", "restic-demo.s3.amazonaws.com"];
    let certificates = need!(
        Certificates::make(
            folder.path(),
            "DNS:s3.amazonaws.com,DNS:restic-demo.s3.amazonaws.com",
            10
        ),
        "openssl is not installed"
    );
    let server = format!(
        r#"
echo '127.0.0.1 {hosts}' >>/etc/hosts
cat {authority} >>/etc/ssl/certs/ca-certificates.crt
mkdir -p /srv/amazon/restic-demo
HOME=/tmp {rclone} serve s3 --config /dev/null --addr 127.0.0.1:443 --cert {certificate} --key {key} \
    --auth-key XXXXXXXXXXXXXXXXXXXX,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx --vfs-cache-mode=off \
    --force-path-style=false /srv/amazon &
for try in $(seq 500); do (: </dev/tcp/127.0.0.1/443) 2>/dev/null && break; sleep 0.02; done
"#,
        hosts = names.join(" "),
        authority = certificates.authority.display(),
        rclone = rclone.display(),
        certificate = certificates.certificate.display(),
        key = certificates.key.display(),
    );
    let seen = r#"
grep -E '^0 3 \* \* \* +root +.*backup-data-wrapper +mybackup1' /etc/cron.d/backup-data
"#;
    let stored = "test -n \"$(ls -A /srv/amazon/restic-demo/snapshots)\"";
    let answer = world.run(&["set -x", &server, DATA, RESTIC_TO_S3, seen, USE, stored].join("\n"));
    assert_eq!(answer.code, Some(0), "{}\n{}", answer.out, answer.err);
}
