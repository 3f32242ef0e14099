//! Mail by a server.

use std::error::Error as _;
use std::io;
use std::{fs, str::FromStr};

use backends::http::Trust;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate as Authority, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, SmtpTransport};
use lettre::{Address, Transport};

use super::letter::Letter;
use super::{Limits, Sent, Unsent};
use crate::record::{Certificate, Security, Smtp};
use crate::text;

/// Sends the letter.
///
/// When the server takes not all of the recipients, the others get it one by one.
pub(super) fn send(smtp: &Smtp, letter: &Letter, host: &str, limits: &Limits) -> Sent {
    let transport = connect(smtp, host, limits)?;
    let from = parse(&letter.from)?;
    let to: Vec<Address> = letter.to.iter().map(|to| parse(to)).collect::<Result<_, _>>()?;
    let envelope = |to: Vec<Address>| {
        Envelope::new(Some(from.clone()), to)
            .map_err(|error| Unsent::because(format!("nobody to send it to ({error})")))
    };
    let error = match transport.send_raw(&envelope(to.clone())?, &letter.message) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    if to.len() < 2 || !refuses_somebody(&error) {
        return Err(explain(smtp, &error));
    }
    let mut refused = Vec::new();
    for address in to {
        if let Err(error) = transport.send_raw(&envelope(vec![address.clone()])?, &letter.message) {
            refused.push(format!("{address}: {}", explain(smtp, &error).message));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let message = if refused.len() == letter.to.len() {
        format!("nobody got it: {}", refused.join("; "))
    } else {
        format!("the others got it, but not {}", refused.join("; "))
    };
    Err(Unsent {
        message,
        hint: Some("look at the addresses in NotifyTo".to_owned()),
    })
}

fn connect(smtp: &Smtp, host: &str, limits: &Limits) -> Result<SmtpTransport, Unsent> {
    let server = smtp.host.trim_start_matches('[').trim_end_matches(']');
    let tls = match smtp.security {
        Security::None => Tls::None,
        Security::StartTls => Tls::Required(parameters(smtp, server)?),
        Security::Tls => Tls::Wrapper(parameters(smtp, server)?),
    };
    let mut builder = SmtpTransport::builder_dangerous(server)
        .port(smtp.port)
        .tls(tls)
        .hello_name(ClientId::Domain(host.to_owned()))
        .timeout(Some(limits.stall));
    if !smtp.login.is_empty() {
        builder = builder.credentials(Credentials::new(smtp.login.clone(), smtp.password.reveal().to_owned()));
    }
    Ok(builder.build())
}

fn parameters(smtp: &Smtp, server: &str) -> Result<TlsParameters, Unsent> {
    let trust = match &smtp.certificate {
        Certificate::System | Certificate::Pinned(_) => Trust::System,
        Certificate::Any => Trust::Insecure,
        Certificate::Authority(path) => Trust::Authority(fs::read(path).map_err(|error| Unsent {
            message: format!("cannot read the certificate {}: {error}", text::path(path)),
            hint: Some("look at SMTPCertificate".to_owned()),
        })?),
    };
    let authorities = trust.authorities().map_err(|cause| Unsent {
        hint: cause.hint().map(str::to_owned),
        message: cause.to_string(),
    })?;
    let mut builder = TlsParameters::builder(server.to_owned())
        .certificate_store(CertificateStore::None)
        .dangerous_accept_invalid_certs(authorities.is_none());
    let unusable = |error: Error| Unsent::because(format!("the certificates cannot be used ({error})"));
    for der in authorities.unwrap_or_default() {
        builder = builder.add_root_certificate(Authority::from_der(der).map_err(unusable)?);
    }
    builder.build().map_err(unusable)
}

fn parse(address: &str) -> Result<Address, Unsent> {
    Address::from_str(address).map_err(|_| Unsent {
        message: format!("`{}` is no address that a mail server takes", text::clean(address)),
        hint: Some("give NotifyFrom and NotifyTo whole addresses, such as admin@example.org".to_owned()),
    })
}

/// A no for good that may be about one of several recipients, and is not about the login.
fn refuses_somebody(error: &Error) -> bool {
    let code = error.status().map(u16::from).unwrap_or_default();
    matches!(code, 450..=452 | 550..=556)
}

/// What went wrong in a sentence, without the password, whatever the server says.
fn explain(smtp: &Smtp, error: &Error) -> Unsent {
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    let said: String = text::clean(&said).chars().take(300).collect();
    let secret = smtp.password.reveal();
    let said = if secret.is_empty() {
        said
    } else {
        said.replace(secret, "(hidden)")
    };
    let server = format!("{} port {}", smtp.host, smtp.port);
    let (message, hint) = if is_late(error) {
        let message = format!("the mail server {server} did not answer in time");
        (
            message,
            "look whether it is up, and whether SMTPPort and SMTPSecurity fit together",
        )
    } else if let Some(code) = error.status() {
        let hint = match u16::from(code) {
            530..=539 => "check SMTPLogin and SMTPPassword",
            550..=556 => "check the addresses in NotifyTo and NotifyFrom",
            _ => "ask whoever runs the mail server, or try again later",
        };
        (format!("the mail server {server} answered {code}: {said}"), hint)
    } else if said.contains("STARTTLS") {
        let message = format!("the mail server {server} does not encrypt a connection that began in plain text");
        (message, "set SMTPSecurity to tls, with the port for that, or to none")
    } else if said.contains("authentication mechanism") {
        (
            format!("the mail server {server} takes no login"),
            "set SMTPLogin to nothing, or use another port",
        )
    } else {
        let hint = "look whether it is up, whether its certificate is good, and whether SMTPPort and SMTPSecurity fit";
        (format!("cannot talk to the mail server {server}: {said}"), hint)
    };
    Unsent {
        message,
        hint: Some(hint.to_owned()),
    }
}

fn is_late(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return matches!(cause.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
        }
        source = cause.source();
    }
    false
}
