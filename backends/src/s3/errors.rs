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

/// What servers say that take no bucket in the path.
pub(super) const REFUSED_PATHS: [&str; 2] = ["SecondLevelDomainForbidden", "PathStyleDomainForbidden"];

/// The failure that a refusal means, by the code in it where it has one.
pub(super) fn meaning(refusal: Refusal) -> Failure {
    let spoken = Spoken::of(&refusal);
    meaning_of(refusal, &spoken)
}

/// The same where more is known than the refusal's text tells.
pub(super) fn meaning_of(refusal: Refusal, spoken: &Spoken) -> Failure {
    let Some((kind, hint)) = locked(spoken).or_else(|| known(&spoken.code)) else {
        return refusal.into();
    };
    let elsewhere = ELSEWHERE.contains(&spoken.code.as_str());
    let hint = if elsewhere && !spoken.region.is_empty() {
        Some(format!(
            "give the record the bucket's own region: S3Region {}",
            spoken.region
        ))
    } else if let Some(address) = refusal.location.as_ref().filter(|_| elsewhere) {
        Some(format!("give the record the address that the server names: {address}"))
    } else {
        hint.map(str::to_owned)
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

/// What servers say when the bucket is in another region.
const ELSEWHERE: [&str; 5] = [
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "PermanentRedirect",
    "TemporaryRedirect",
    "IllegalLocationConstraintException",
];

/// Locked objects are refused under several codes, told by their messages; so are locks where the bucket has none.
fn locked(spoken: &Spoken) -> Option<Meaning> {
    let message = spoken.message.to_ascii_lowercase();
    let of_lock = message.contains("object lock") || message.contains("objectlock");
    if of_lock && message.contains("configuration") {
        let hint = "make a bucket with object lock, or take S3LockMode and S3LockDays out of the record";
        return Some((StoreErrorKind::Unsupported, Some(hint)));
    }
    let forbids = spoken.code == "AccessDenied" && of_lock;
    let locked = spoken.code == "ObjectLocked" || forbids || message.contains("worm protected");
    locked.then_some((StoreErrorKind::Retained, None))
}

/// Whether the server wants a digest beside the body, as buckets whose objects get locked do.
pub(super) fn wants_checksum(refusal: &Refusal) -> bool {
    let text = refusal.text.to_ascii_lowercase();
    refusal.status == 400 && (text.contains("content-md5") || text.contains("x-amz-checksum"))
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
        _ if ELSEWHERE.contains(&code) => (K::Other, Some("give the record the bucket's own region as S3Region")),
        _ if REFUSED_PATHS.contains(&code) => (K::Other, Some("give the record S3Style virtual")),
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
