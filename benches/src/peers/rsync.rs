use std::path::{Path, PathBuf};
use std::process::Command;

use super::{KEEP, Peer, Place, command, version};

/// What rsync is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One copy, brought up to date each time.
    Mirror,
    /// A folder each time, linked against the one before.
    LinkDest,
}

pub struct Rsync {
    title: String,
    kind: Kind,
}

impl Rsync {
    pub fn find(kind: Kind) -> Option<Self> {
        version(Path::new("rsync"), "--version")?;
        let title = match kind {
            Kind::Mirror => "rsync -aHAX",
            Kind::LinkDest => "rsync -aHAX --link-dest",
        };
        Some(Self {
            title: title.to_owned(),
            kind,
        })
    }
}

/// A shell command with the destination, the corpus and the target as `$1` to `$3`.
fn shell(place: &Place<'_>, script: &str) -> Command {
    let mut command = command(Path::new("sh"), place);
    command.args(["-euc", script, "sh"]);
    command.arg(&place.repository).arg(place.corpus).arg(&place.target);
    command
}

/// The folders of snapshots are numbered from 1001.
const LAST: &str = "last=$(ls \"$1\" | tail -n 1)\n";

impl Peer for Rsync {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn init(&self, place: &Place<'_>) -> Option<Command> {
        Some(shell(place, "mkdir -p \"$1\""))
    }

    fn backup(&self, place: &Place<'_>) -> Command {
        if let Some(remote) = place.remote {
            // The folders are looked up on this machine: rsync-time-backup takes a session of ssh for that.
            let script = "last=$(ls \"$1\" | tail -n 1)
                new=$((${last:-1000} + 1))
                rsync -aHAX -e \"$4\" ${last:+--link-dest=\"$1/$last\"} \"$2\" \"root@127.0.0.1:$1/$new\"";
            let mut command = shell(place, script);
            command.arg(remote.ssh());
            return command;
        }
        let script = match self.kind {
            Kind::Mirror => "rsync -aHAX --delete \"$2\" \"$1/1001\"",
            Kind::LinkDest => {
                "last=$(ls \"$1\" | tail -n 1)
                new=$((${last:-1000} + 1))
                rsync -aHAX ${last:+--link-dest=\"$1/$last\"} \"$2\" \"$1/$new\""
            }
        };
        shell(place, script)
    }

    fn list(&self, place: &Place<'_>) -> Command {
        shell(place, &format!("{LAST}find \"$1/$last\" -ls"))
    }

    fn restore(&self, place: &Place<'_>) -> Command {
        if let Some(remote) = place.remote {
            let script = format!("{LAST}rsync -aHAX -e \"$4\" \"root@127.0.0.1:$1/$last/\" \"$3\"");
            let mut command = shell(place, &script);
            command.arg(remote.ssh());
            return command;
        }
        shell(place, &format!("{LAST}rsync -aHAX \"$1/$last/\" \"$3\""))
    }

    /// It has no digests: the best it can do is to compare with what is still there.
    fn check(&self, place: &Place<'_>) -> Command {
        shell(place, &format!("{LAST}rsync -aHAXnc \"$2\" \"$1/$last\""))
    }

    fn forget(&self, place: &Place<'_>, _keep: u32) -> Command {
        command(Path::new("true"), place)
    }

    fn prune(&self, place: &Place<'_>) -> Command {
        shell(place, &format!("cd \"$1\"\nls | head -n -{KEEP} | xargs -r rm -rf"))
    }
}

/// The wrapper around rsync that rotates hard-linked folders.
pub struct Rsnapshot {
    title: String,
}

impl Rsnapshot {
    pub fn find() -> Option<Self> {
        Some(Self {
            title: version(Path::new("rsnapshot"), "version")?,
        })
    }

    fn settings(place: &Place<'_>) -> PathBuf {
        place.home.join("rsnapshot.conf")
    }
}

impl Peer for Rsnapshot {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn init(&self, place: &Place<'_>) -> Option<Command> {
        let settings = Self::settings(place);
        let lines = [
            "config_version\t1.2".to_owned(),
            format!("snapshot_root\t{}/", place.repository.display()),
            "cmd_rsync\t/usr/bin/rsync".to_owned(),
            "rsync_short_args\t-aHAX".to_owned(),
            "link_dest\t1".to_owned(),
            "retain\tdaily\t100".to_owned(),
            format!("backup\t{}\tlocalhost/", place.corpus.display()),
        ];
        let mut command = shell(place, "mkdir -p \"$1\"\nprintf '%s\\n' \"$5\" >\"$4\"");
        command.arg(settings).arg(lines.join("\n"));
        Some(command)
    }

    fn backup(&self, place: &Place<'_>) -> Command {
        let mut command = command(Path::new("rsnapshot"), place);
        command.arg("-c").arg(Self::settings(place)).arg("daily");
        command
    }

    fn list(&self, place: &Place<'_>) -> Command {
        shell(place, "find \"$1/daily.0\" -ls")
    }

    fn restore(&self, place: &Place<'_>) -> Command {
        shell(place, "rsync -aHAX \"$1/daily.0/localhost/\" \"$3\"")
    }

    fn check(&self, place: &Place<'_>) -> Command {
        shell(place, "rsync -aHAXnc \"$2/\" \"$1/daily.0/localhost/$2\"")
    }

    fn forget(&self, place: &Place<'_>, _keep: u32) -> Command {
        command(Path::new("true"), place)
    }

    fn prune(&self, place: &Place<'_>) -> Command {
        let script = format!(
            "cd \"$1\"\nls -d daily.* | sort -t. -k2n | tail -n +{} | xargs -r rm -rf",
            KEEP + 1
        );
        shell(place, &script)
    }
}
