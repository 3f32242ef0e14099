//! Scripts for the server's own shell.

use engine_api::StoreErrorKind;
use russh::client::Msg;
use russh::{Channel, ChannelMsg};

use super::connect::{Session, lost};
use crate::sftp::errors::Problem;

/// It takes scripts from its input, so that it does not matter which shell the account has.
const SHELL: &str = "/bin/sh";

/// A script has begun when this is printed.
const BEGUN: &[u8] = b"holdfast-begun\n";

/// It has ended when this is.
const END: &[u8] = b"holdfast-end\n";

/// More is no answer to any script of ours.
const MOST: usize = 16 << 10;

/// A shell that waits for scripts.
pub(in crate::sftp) struct Shell(Channel<Msg>);

impl Session {
    /// Starts a shell; `None` where the account may run nothing. What runs where it may run but one thing is that.
    pub(in crate::sftp) async fn shell(&self) -> Result<Option<Shell>, Problem> {
        let channel = match self.open().await {
            Err(russh::Error::ChannelOpenFailure(_)) => return Ok(None),
            other => other.map_err(lost)?,
        };
        channel.exec(true, SHELL).await.map_err(lost)?;
        Ok(Some(Shell(channel)))
    }
}

impl Shell {
    /// Runs a script and waits for its end; what it printed. `None` when the shell has ended before it, or is none: it can be
    /// run elsewhere, which is not true of one that has begun.
    pub(in crate::sftp) async fn run(&mut self, script: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
        let script = [b"echo ", BEGUN, script, b"\necho ", END].concat();
        self.0.data_bytes(script).await.map_err(lost)?;
        let mut printed = Vec::new();
        loop {
            match self.0.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    printed.extend_from_slice(&data);
                    if let Some(printed) = before_end(&printed) {
                        return Ok(Some(printed.to_vec()));
                    }
                    if printed.len() > MOST {
                        return Ok(None);
                    }
                }
                Some(ChannelMsg::Failure | ChannelMsg::Eof | ChannelMsg::Close) if !has_begun(&printed) => {
                    return Ok(None);
                }
                None if !has_begun(&printed) => return Err(Problem::lost("the server closed it")),
                Some(ChannelMsg::Failure | ChannelMsg::Eof | ChannelMsg::Close) | None => return Err(cut_off()),
                Some(_) => {}
            }
        }
    }

    /// Ends it, whatever it is.
    pub(in crate::sftp) async fn close(self) {
        let _ = self.0.close().await;
    }
}

fn has_begun(printed: &[u8]) -> bool {
    printed.split_inclusive(|byte| *byte == b'\n').any(|line| line == BEGUN)
}

fn cut_off() -> Problem {
    Problem::hinted(
        StoreErrorKind::Connection,
        "the server's shell ended in the middle of a command, and nobody knows what that has done",
        "run it again",
    )
}

/// What stands before the line that ends it.
fn before_end(printed: &[u8]) -> Option<&[u8]> {
    let before = printed.strip_suffix(END)?;
    (before.is_empty() || before.ends_with(b"\n")).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_itself_says_that_a_script_has_begun() {
        assert!(has_begun(b"Welcome!\nholdfast-begun\n") && has_begun(b"holdfast-begun\nmore"));
        assert!(!has_begun(b"") && !has_begun(b"echo holdfast-begun\n") && !has_begun(b"holdfast-begun"));
    }

    #[test]
    fn the_end_is_a_line_of_its_own() {
        assert_eq!(before_end(b"a\nholdfast-end\n"), Some(&b"a\n"[..]));
        assert_eq!(before_end(b"holdfast-end\n"), Some(&b""[..]));
        assert_eq!(before_end(b"echo holdfast-end\n"), None);
        assert_eq!(before_end(b"a\nholdfast-end"), None);
    }
}
