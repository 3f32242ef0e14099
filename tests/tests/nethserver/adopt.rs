//! What the original programs have saved with NethServer's calls, paths and records is taken over as it is.

use holdfast_tests::need;
use holdfast_tests::server::program;
use holdfast_tests::world::{NO_WORLD, World};

/// What `adopt.sh` needs to know of one engine: its calls as NethServer makes them.
struct Original {
    engine: &'static str,
    record: &'static str,
    calls: &'static str,
}

fn adopt(original: &Original) {
    let world = need!(World::nethserver(), NO_WORLD);
    let (engine, id) = (original.engine, std::process::id());
    // A label that no other disk has, and no other run of this test.
    let label = format!("hf{}{id}", &engine[..2]);
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rsync_tmbackup");
    world.good(&format!(
        "db backups set old {engine} status enabled VFSType usb USBLabel {label} Notify never {}",
        original.record
    ));
    let script = format!(
        "engine={engine} name=old label={label} rsync_tmbackup={fixture}\n{}\n{}",
        original.calls,
        include_str!("adopt.sh")
    );
    let answer = world.run(&script);
    assert_eq!(answer.code, Some(0), "{engine}\n{}\n{}", answer.out, answer.err);
}

#[test]
fn duplicity() {
    need!(program("duplicity"), "duplicity is not installed");
    adopt(&Original {
        engine: "duplicity",
        // A day that is neither today nor tomorrow, should midnight come: every run goes on with the chain.
        record: "Type incremental FullDay $(( ($(date +%w) + 3) % 7 )) VolSize 250 CleanupOlderThan 30D",
        calls: r#"
original() {
    mkdir -p "$place"
    { sed 's/^/- /' /etc/backup-data.d/base.exclude; sed 's/^/+ /' /etc/backup-data.d/base.include; echo '- **'; } >/tmp/filelist
    duplicity --allow-source-mismatch incr --exclude=$data/backup/duplicity/ --include-filelist /tmp/filelist \
        --volsize 250 --full-if-older-than 8D --no-encryption --archive-dir $data/backup/duplicity/$name/ -v2 / "file://$place"
}
original_restore() {
    duplicity restore --no-encryption --archive-dir $data/backup/duplicity/$name/ --force "file://$place" "$1"
}
original_check() {
    duplicity verify --no-encryption --archive-dir $data/backup/duplicity/$name/ --file-to-restore var/lib/nethserver/ibay "file://$place" \
        $data/ibay | grep ' 0 differences found'
}
"#,
    });
}

#[test]
fn restic() {
    need!(program("restic"), "restic is not installed");
    adopt(&Original {
        engine: "restic",
        record: "CleanupOlderThan 30D Prune always",
        calls: r#"
options() { echo "--cache-dir $data/backup/restic/$name --password-file $data/secrets/restic_$name --repo /mnt/backup-$name"; }
original() {
    if [ ! -e $data/secrets/restic_$name ]; then
        (umask 077 && echo 'Abcdef_0123456789'  >$data/secrets/restic_$name)
        restic $(options) init
    fi
    restic $(options) --tag "$name" --exclude-file /etc/backup-data.d/base.exclude \
        --files-from /etc/backup-data.d/base.include backup --exclude-caches
}
original_restore() { restic $(options) restore latest --tag "$name" --target "$1"; }
original_check() { restic $(options) check --read-data; restic $(options) forget --prune --group-by host,tags --tag "$name" --keep-within 30d; }
"#,
    });
}

#[test]
fn rsync() {
    need!(program("rsync"), "rsync is not installed");
    adopt(&Original {
        engine: "rsync",
        record: "CleanupOlderThan default",
        calls: r#"
original() {
    mkdir -p "$place"
    touch "$place/backup.marker"
    sed 's,^/,,' /etc/backup-data.d/base.include >/tmp/include
    bash "$rsync_tmbackup" -p 22 --rsync-set-flags "-D --numeric-ids --links --hard-links --one-file-system --times --recursive \
--perms --owner --group --stats --human-readable --files-from=/tmp/include --exclude-from=/etc/backup-data.d/base.exclude " / "$place"
}
original_restore() { cp -a "$place/latest/." "$1/"; }
original_check() { original && test "$(ls -d "$place"/2* | wc -l)" = 4; }
"#,
    });
}
