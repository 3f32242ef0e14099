use engine_api::{Cause, StoreErrorKind};

use crate::http::{Failure, Refusal, xml};

/// What a server of this protocol says when it refuses.
pub(super) struct Spoken {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) region: String,
}

impl Spoken {
    pub(super) fn of(refusal: &Refusal) -> Self {
        let [code, message, region] = xml::texts(&refusal.text, ["/Error/Code", "/Error/Message", "/Error/Region"]);
        Self { code, message, region }
    }
}

/// The failure that a refusal means, by the code in it where it has one.
pub(super) fn meaning(refusal: Refusal) -> Failure {
    let spoken = Spoken::of(&refusal);
    let Some((kind, hint)) = known(&spoken.code) else {
        return refusal.into();
    };
    let text = if spoken.message.is_empty() {
        spoken.code.clone()
    } else {
        format!("{}: {}", spoken.code, spoken.message)
    };
    let cause = Cause::new(format!("the server answered {} ({text})", refusal.status)).with_wait(refusal.wait);
    let cause = match hint {
        Some(hint) => cause.with_hint(hint),
        None => cause,
    };
    let passes = refusal.status >= 500
        || matches!(
            spoken.code.as_str(),
            "SlowDown" | "RequestTimeout" | "OperationAborted" | "ConditionalRequestConflict"
        );
    Failure::Known(kind, if passes { cause } else { cause.lasting() })
}

type Meaning = (StoreErrorKind, Option<&'static str>);

fn known(code: &str) -> Option<Meaning> {
    use StoreErrorKind as K;
    Some(match code {
        "NoSuchKey" => (K::NotFound, None),
        "NoSuchBucket" => (K::NotFound, Some("check the bucket's name, or have the bucket made")),
        "InvalidBucketName" => (K::Other, Some("check the bucket's name")),
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => (
            K::PermissionDenied,
            Some("check that this key may list, read, write and delete in the bucket"),
        ),
        "InvalidAccessKeyId" => (K::Unauthenticated, Some("check the access key of the backup's record")),
        "SignatureDoesNotMatch" => (K::Unauthenticated, Some("check the secret key of the backup's record")),
        "ExpiredToken" | "InvalidToken" => (
            K::Unauthenticated,
            Some("make a new key and put it in the backup's record"),
        ),
        "RequestTimeTooSkewed" => (K::Unauthenticated, Some("set this machine's clock")),
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            (K::Other, Some("give the record the bucket's own region"))
        }
        "PreconditionFailed" => (K::AlreadyExists, None),
        "InvalidRange" => (K::Truncated, None),
        "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" | "InsufficientStorage" => {
            (K::NoSpace, None)
        }
        "InvalidObjectState" => (
            K::Other,
            Some("the object is archived: have it brought back at the provider first"),
        ),
        "SlowDown"
        | "RequestTimeout"
        | "OperationAborted"
        | "ConditionalRequestConflict"
        | "InternalError"
        | "ServiceUnavailable" => (K::Other, None),
        _ => return None,
    })
}

/// A refusal by an answer that began well: completing an upload may fail after the status was sent.
pub(super) fn late(text: &str) -> Option<Failure> {
    text.contains("<Error>").then(|| {
        meaning(Refusal {
            status: 500,
            text: text.to_owned(),
            location: None,
            wait: None,
        })
    })
}
