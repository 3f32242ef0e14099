//! One request outside of any storage, such as what a job tells to a web hook.

use engine_api::{Body, Cause};

use super::{Call, Client, Failure, Options, Trust};

/// What is to be told, and as what.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The media type of the body.
    pub kind: &'static str,
    /// The body.
    pub body: &'a [u8],
}

/// Posts `message` to `url`; without one, only asks for it. Any answer of the 200s is good.
///
/// # Errors
/// When the server cannot be reached, does not answer, or says anything else; a [lasting](Cause::is_lasting) cause is one
/// that another try would meet again. The cause never holds the address, which may be a secret.
pub fn tell(url: &str, message: Option<Message<'_>>, trust: &Trust, options: &Options) -> Result<(), Cause> {
    let client = Client::new(trust, options, 1)?;
    let call = match message {
        Some(message) => Call::new("POST", url)
            .header("content-type", message.kind)
            .body(Body::Bytes(message.body)),
        None => Call::new("GET", url),
    };
    let sent = client.send(call).and_then(|answer| match answer.status {
        200..300 => Ok(()),
        _ => Err(answer.refusal().into()),
    });
    sent.map_err(explain)
}

fn explain(failure: Failure) -> Cause {
    let passes = failure.passes();
    let (_, cause) = failure.explain();
    if passes { cause } else { cause.lasting() }
}
