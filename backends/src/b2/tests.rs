use super::*;

fn refusal(status: u16, code: &str) -> Failure {
    api::meaning(http::Refusal {
        status,
        text: format!("{{\"status\": {status}, \"code\": \"{code}\", \"message\": \"words\"}}"),
        location: None,
        wait: None,
    })
}

#[test]
fn refusals_have_their_meaning() {
    for (status, code, kind, passes) in [
        (401, "unauthorized", StoreErrorKind::PermissionDenied, false),
        (403, "storage_cap_exceeded", StoreErrorKind::NoSpace, false),
        (404, "not_found", StoreErrorKind::NotFound, false),
        (429, "too_many_requests", StoreErrorKind::Other, true),
        (503, "service_unavailable", StoreErrorKind::Other, true),
        (408, "request_timeout", StoreErrorKind::Timeout, true),
        (400, "bad_request", StoreErrorKind::Other, false),
    ] {
        let failure = refusal(status, code);
        assert_eq!((failure.kind(), failure.passes()), (kind, passes), "{code}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let settings = Settings {
        account_key: "hidden".into(),
        ..Settings::default()
    };
    assert!(!format!("{settings:?}").contains("hidden"));
}

#[test]
fn digests_are_those_of_the_service() {
    let digest = upload::digest(Body::Parts(&[b"a", b"bc"])).unwrap();
    assert_eq!(digest, "a9993e364706816aba3e25717850c26c9cd0d89d");
}
