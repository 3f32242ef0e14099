//! A mail: its headers, what it says, and the log beside it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::str::FromStr;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::Envelope};

use super::Unsent;
use crate::record::{Mail, Mailer};
use crate::text;

/// How much of a log goes with a mail: its end, for that is where it says what happened.
pub(super) const LOG: u64 = 64 << 10;

/// A mail that is ready to go.
pub(super) struct Letter {
    /// The sender, for the envelope.
    pub(super) from: String,
    /// The recipients, for the envelope.
    pub(super) to: Vec<String>,
    /// Headers and body, with CR LF.
    pub(super) message: Vec<u8>,
}

/// What a mail says.
pub(super) struct Content<'a> {
    pub(super) subject: &'a str,
    pub(super) body: String,
    pub(super) log: Option<&'a Path>,
    /// What its name begins with; no other mail has the same.
    pub(super) id: &'a str,
}

/// Writes the letter; a user without a domain is completed with `host`, unless this machine's own program does it.
pub(super) fn write(mail: &Mail, content: Content<'_>, host: &str) -> Result<Letter, Unsent> {
    let local = matches!(mail.by, Mailer::Sendmail(_));
    let domain = domain(host);
    let from = mail.from.with_domain(&domain);
    let to: Vec<String> = mail.to.iter().map(|to| to.with_domain(&domain)).collect();
    let recipients: Vec<Address> = to.iter().map(|to| address(to)).collect::<Result<_, _>>()?;
    let unusable = |error: lettre::error::Error| Unsent::because(format!("the mail cannot be written ({error})"));
    let mut builder = Message::builder()
        .from(Mailbox::new(None, address(&from)?))
        .subject(content.subject)
        .message_id(Some(format!("<{}@{domain}>", content.id)))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .envelope(Envelope::new(Some(address(&from)?), recipients.clone()).map_err(unusable)?);
    for recipient in recipients {
        builder = builder.to(Mailbox::new(None, recipient));
    }
    let body = SinglePart::plain(content.body);
    let message = match content.log.and_then(attachment) {
        Some(log) => builder.multipart(MultiPart::mixed().singlepart(body).singlepart(log)),
        None => builder.singlepart(body),
    };
    let mut message = message.map_err(unusable)?;
    if local {
        // It knows better what its users' domain is.
        let joined = mail.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        message.headers_mut().insert_raw(raw("From", mail.from.as_str()));
        message.headers_mut().insert_raw(raw("To", &joined));
    }
    Ok(Letter {
        from: if local { mail.from.to_string() } else { from },
        to,
        message: message.formatted(),
    })
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), text::clean(value))
}

fn address(text: &str) -> Result<Address, Unsent> {
    Address::from_str(text).map_err(|_| Unsent {
        message: format!("`{}` is no address of mail", text::clean(text)),
        hint: Some("give NotifyFrom and NotifyTo whole addresses, such as admin@example.org".to_owned()),
    })
}

/// The machine's name as a domain, whatever it is called.
fn domain(host: &str) -> String {
    let good = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    if good && Address::new("root", host).is_ok() {
        host.to_owned()
    } else {
        "localhost".to_owned()
    }
}

fn attachment(log: &Path) -> Option<SinglePart> {
    let text = tail(log).ok().filter(|text| !text.is_empty())?;
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    Some(Attachment::new(text::clean(&name)).body(text, ContentType::TEXT_PLAIN))
}

/// The end of the log, from the beginning of a line on.
fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(LOG);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(LOG).read_to_end(&mut bytes)?;
    let line_ends = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let whole = bytes.get(line_ends..).filter(|_| skipped > 0).unwrap_or(&bytes);
    let text = String::from_utf8_lossy(whole).into_owned();
    if skipped == 0 {
        return Ok(text);
    }
    let left_out = text::size(length.saturating_sub(whole.len() as u64));
    Ok(format!("(the first {left_out} are left out)\n{text}"))
}
