//! Web hooks and pings.

use std::thread;

use backends::http::{self, Message, Options, Trust};

use super::{Limits, Sent, Unsent};
use crate::record::Url;

/// Posts `message` to `url`, or only asks for it; what may pass is tried again, a few times.
pub(super) fn tell(url: &Url, message: Option<Message<'_>>, limits: &Limits) -> Sent {
    let options = Options {
        connect: limits.stall,
        stall: limits.stall,
        connections: 1,
        up: None,
        down: None,
    };
    let mut pauses = limits.pauses.iter();
    loop {
        let Err(cause) = http::tell(url.reveal(), message, &Trust::System, &options) else {
            return Ok(());
        };
        match pauses.next() {
            Some(pause) if !cause.is_lasting() => thread::sleep(*pause),
            _ => {
                return Err(Unsent {
                    message: cause.to_string(),
                    hint: cause.hint().map(str::to_owned),
                });
            }
        }
    }
}
