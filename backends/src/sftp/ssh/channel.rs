//! Packets to and from the channel.

use std::sync::Arc;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;

use super::connect::Session;
use crate::sftp::answers::Answers;
use crate::sftp::buffers::{Buffers, Lent};
use crate::sftp::errors::Problem;

/// What no server sends in one packet: OpenSSH's limit is 256 KiB.
const LARGEST: usize = 1 << 20;

/// Small requests that wait are sent together, up to one packet of SSH.
const TOGETHER: usize = 32 << 10;

/// More of what a server complains is not shown.
const COMPLAINT: usize = 500;

/// A channel with SFTP on it.
pub(in crate::sftp) struct Channel {
    pub(in crate::sftp) write: ChannelWriteHalf<Msg>,
    pub(in crate::sftp) incoming: Incoming,
}

/// Takes packets out of what the channel delivers.
pub(in crate::sftp) struct Incoming {
    channel: ChannelReadHalf,
    packet: Vec<u8>,
    /// How long the packet will be; `None` until its length has arrived.
    length: Option<usize>,
    head: Vec<u8>,
    complaint: String,
}

impl Incoming {
    pub(super) const fn new(channel: ChannelReadHalf) -> Self {
        Self {
            channel,
            packet: Vec::new(),
            length: None,
            head: Vec::new(),
            complaint: String::new(),
        }
    }

    /// Waits for the verdict on the request for the subsystem.
    pub(super) async fn accepted(&mut self) -> Result<bool, Problem> {
        loop {
            match self.channel.wait().await {
                Some(ChannelMsg::Success) => return Ok(true),
                Some(ChannelMsg::Failure) => return Ok(false),
                Some(message) => self.aside(message)?,
                None => return Err(self.closed()),
            }
        }
    }

    /// Hands every packet to `each` until the channel ends, or `each` says that it was the last.
    pub(in crate::sftp) async fn packets(
        &mut self,
        mut each: impl FnMut(Vec<u8>) -> Result<bool, Problem>,
    ) -> Result<(), Problem> {
        loop {
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    if !self.take(&data, &mut each)? {
                        return Ok(());
                    }
                }
                Some(message) => self.aside(message)?,
                None => return Err(self.closed()),
            }
        }
    }

    fn take(
        &mut self,
        mut data: &[u8],
        each: &mut impl FnMut(Vec<u8>) -> Result<bool, Problem>,
    ) -> Result<bool, Problem> {
        while !data.is_empty() {
            let Some(length) = self.length else {
                let (head, rest) = data.split_at(data.len().min(4 - self.head.len()));
                self.head.extend_from_slice(head);
                data = rest;
                self.measure()?;
                continue;
            };
            let (part, rest) = data.split_at(data.len().min(length - self.packet.len()));
            self.packet.extend_from_slice(part);
            data = rest;
            if self.packet.len() == length {
                self.length = None;
                if !each(std::mem::take(&mut self.packet))? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn measure(&mut self) -> Result<(), Problem> {
        let Ok(head) = <[u8; 4]>::try_from(self.head.as_slice()) else {
            return Ok(());
        };
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if !(1..=LARGEST).contains(&length) {
            return Err(Problem::Nonsense(
                "it is not SFTP; perhaps the account's start-up files print something",
            ));
        }
        self.head.clear();
        self.packet.reserve_exact(length);
        self.length = Some(length);
        Ok(())
    }

    /// A message that is no part of the conversation.
    fn aside(&mut self, message: ChannelMsg) -> Result<(), Problem> {
        match message {
            ChannelMsg::ExtendedData { data, .. } => {
                let room = COMPLAINT.saturating_sub(self.complaint.len());
                let text = String::from_utf8_lossy(data.get(..data.len().min(room)).unwrap_or_default()).into_owned();
                self.complaint
                    .extend(text.chars().filter(|c| !c.is_control() || *c == '\n'));
                Ok(())
            }
            ChannelMsg::Eof | ChannelMsg::Close => Err(self.closed()),
            _ => Ok(()),
        }
    }

    fn closed(&self) -> Problem {
        let complaint = self.complaint.trim();
        if complaint.is_empty() {
            return Problem::lost("the server closed it");
        }
        Problem::lost(format!("the server closed it and said: {complaint}"))
    }
}

/// Delivers answers until the connection ends, and then ends all that wait.
pub(in crate::sftp) async fn deliver(mut incoming: Incoming, answers: Arc<Answers>) {
    let end = incoming
        .packets(|packet| {
            let number = packet.get(1..5).and_then(|number| number.try_into().ok());
            let number = number.ok_or(Problem::Nonsense("a packet is too short"))?;
            answers.arrived(u32::from_be_bytes(number), packet)?;
            Ok(true)
        })
        .await;
    let problem = end.err().unwrap_or_else(|| Problem::lost("the server closed it"));
    answers.end(&problem);
}

/// Sends requests until nobody can make any more, or the connection ends; then closes the channel, and with `session` the
/// whole connection.
pub(in crate::sftp) async fn send(
    channel: ChannelWriteHalf<Msg>,
    session: Option<Arc<Session>>,
    (mut requests, buffers): (UnboundedReceiver<Vec<u8>>, Arc<Buffers>),
    answers: Arc<Answers>,
) {
    while let Some(mut request) = requests.recv().await {
        while request.len() < TOGETHER {
            match requests.try_recv() {
                Ok(next) => request.extend_from_slice(&next),
                Err(_) => break,
            }
        }
        if answers.is_over() {
            break;
        }
        let request = Bytes::from_owner(Lent::new(request, Arc::clone(&buffers)));
        if let Err(error) = channel.data_bytes(request).await {
            answers.end(&Problem::lost(error.to_string()));
            break;
        }
    }
    answers.end(&Problem::lost("it was closed here"));
    match session {
        Some(session) => session.bye().await,
        None => {
            let _ = channel.close().await;
        }
    }
}
