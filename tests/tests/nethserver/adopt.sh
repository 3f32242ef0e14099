# What is common to the three: data, a disk that the record finds by its label, and the comparison of trees.
# $engine, $name and $label are set; the functions `original`, `original_restore` and `original_check` are the old tools.

data=/var/lib/nethserver
disk() {
    truncate -s 128M /disk.img
    device=$(losetup --find --show /disk.img)
    trap 'umount -q "/mnt/backup-$name" || true; losetup --detach $device' EXIT
    mkfs.ext4 -q -L "$label" "$device"
    mkdir -p "/mnt/backup-$name"
}
# by_hand COMMAND…: with the disk mounted as NethServer mounts it, for the time of the command.
by_hand() {
    mount "$device" "/mnt/backup-$name"
    place=/mnt/backup-$name/$(hostname -s)
    "$@"
    umount "/mnt/backup-$name"
}
# Times of whole seconds: duplicity's and rsync's originals know no others.
settle() { find $data/{vmail,ibay,home} -exec touch -h -d "$1" {} +; }
first_state() {
    mkdir -p $data/vmail/ann/cur $data/ibay/test $data/home/ann $data/secrets $data/backup/{restic,duplicity}/"$name"
    for n in 1 2 3; do seq "$n"000 "$n"5000 >$data/vmail/ann/cur/$n; done
    echo 'a file of the office' >$data/ibay/test/myfile
    printf 'umlaut' >"$data/home/ann/gr\303\274n"
    ln -s ../ann $data/home/ann/link
    chmod 2770 $data/ibay/test && chown -R 1234:100 $data/home/ann
    settle '2026-01-02 03:04:05'
    printf '%s\n' $data >/etc/backup-data.d/base.include
    printf '%s\n' $data/secrets $data/backup/restic/ $data/backup/duplicity/ $data/db >/etc/backup-data.d/base.exclude
}
second_state() {
    echo 'more of it' >>$data/ibay/test/myfile
    rm $data/vmail/ann/cur/2
    seq 77 >$data/vmail/ann/cur/4
    touch -d '2026-02-03 04:05:06' $data/ibay/test/myfile $data/vmail/ann/cur{,/4}
}
keep() { mkdir -p "/state/$1" && cp -a --parents $data/{vmail,ibay,home} "/state/$1/"; }
# duplicity's own restore gives links the time of the restore.
listing() {
    (cd "$1/$data" && find vmail ibay home -type l -printf '%p %U %G %l\n' -o -printf '%p %y %m %U %G %T+\n' | LC_ALL=C sort)
}
# same STATE FOLDER: in the folder lies all of the state and nothing else, with modes, owners, times and links.
same() {
    listing "/state/$1" >/tmp/expected
    listing "$2" >/tmp/found
    diff /tmp/expected /tmp/found
    local tree
    for tree in vmail ibay home; do diff -r --no-dereference "/state/$1/$data/$tree" "$2/$data/$tree"; done
}

set -x
disk
first_state
keep first
by_hand original
sleep 1.1
second_state
keep second
by_hand original

# The same record, and no other step.
holdfast job show "$name"
test "$(holdfast snapshots -b "$name" --json | grep -c '"type":"snapshot"')" = 2
backup-data-list -f -b "$name" | grep -x $data/vmail/ann/cur/4
test "$(backup-data-list -f -b "$name" | grep -cx $data/vmail/ann/cur/2)" = 0
oldest=$(holdfast snapshots -b "$name" --json | sed -n '1s/.*"id":"\([^"]*\)".*/\1/p')
restore-file -b "$name" -t "$oldest" /restored-first $data
same first /restored-first
restore-file -b "$name" /restored-second $data
same second /restored-second

# It goes on with what is there.
sleep 1.1
echo 'the third' >$data/ibay/test/third
touch -d '2026-03-04 05:06:07' $data/ibay/test{,/third}
keep third
backup-data -b "$name" | tee /tmp/run
grep -x 'Backup status: SUCCESS' /tmp/run
# Only what is new was read.
grep '(1 new, 0 changed, 5 unchanged)' /tmp/run
test "$(holdfast snapshots -b "$name" --json | grep -c '"type":"snapshot"')" = 3
rm -rf $data/ibay/test
restore-data -b "$name"
same third /
holdfast check -b "$name" --read-data

# And the original tools go on with what Holdfast wrote.
mkdir /restored-third
by_hand original_restore /restored-third
same third /restored-third
# The original rsync tool names a snapshot by the second, and would write into one of the same second.
sleep 1.1
by_hand original_check
