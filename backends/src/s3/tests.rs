use super::endpoint::Endpoint;
use super::sign::{Request, Signer};
use super::*;

fn endpoint(host: &str, bucket: &str) -> Endpoint {
    let settings = Settings {
        host: host.to_owned(),
        bucket: bucket.to_owned(),
        ..Settings::default()
    };
    Endpoint::of(&settings).unwrap()
}

#[test]
fn addresses_are_read_as_restic_reads_them() {
    let cases = [
        ("s3.example.org", "backup", "https://s3.example.org/backup/x%20y", ""),
        (
            "http://10.0.0.1:9000",
            "backup",
            "http://10.0.0.1:9000/backup/x%20y",
            "",
        ),
        (
            "https://s3.example.org:443/",
            "/backup/",
            "https://s3.example.org/backup/x%20y",
            "",
        ),
        (
            "s3.example.org/tenant",
            "backup",
            "https://s3.example.org/tenant/x%20y",
            "backup/",
        ),
        (
            "s3.example.org",
            "backup/some/where",
            "https://s3.example.org/backup/x%20y",
            "some/where/",
        ),
        (
            "s3.amazonaws.com",
            "backup",
            "https://backup.s3.amazonaws.com/x%20y",
            "",
        ),
        (
            "s3.amazonaws.com",
            "back.up",
            "https://s3.amazonaws.com/back.up/x%20y",
            "",
        ),
    ];
    for (host, bucket, url, prefix) in cases {
        let endpoint = endpoint(host, bucket);
        assert_eq!(endpoint.url(&endpoint.path(b"x y"), ""), url);
        assert_eq!(endpoint.prefix, prefix, "{host} {bucket}");
    }
    for (host, bucket) in [("", "b"), ("ftp://h", "b"), ("h", "")] {
        let settings = Settings {
            host: host.to_owned(),
            bucket: bucket.to_owned(),
            ..Settings::default()
        };
        assert!(Endpoint::of(&settings).is_err(), "{host} {bucket}");
    }
}

#[test]
fn regions_are_known_by_name_and_followed() {
    assert_eq!(endpoint("s3.eu-central-1.amazonaws.com", "b").region, "eu-central-1");
    assert_eq!(
        endpoint("s3.dualstack.eu-west-1.amazonaws.com", "b").region,
        "eu-west-1"
    );
    let moved = endpoint("s3.amazonaws.com", "b").in_region("eu-west-3");
    assert_eq!(moved.url(&moved.path(b""), ""), "https://b.s3.eu-west-3.amazonaws.com/");
    let own = endpoint("minio.example.org", "b").in_region("here");
    assert_eq!(
        (own.region.as_str(), own.host().as_str()),
        ("here", "minio.example.org")
    );
}

/// Amazon's published example of a signature.
#[test]
fn signatures_are_those_of_the_description() {
    let secret = Secret::from("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let signer = Signer {
        access_key: "AKIAIOSFODNN7EXAMPLE",
        secret_key: &secret,
        region: "us-east-1",
    };
    let request = Request {
        method: "GET",
        host: "examplebucket.s3.amazonaws.com",
        path: "/",
        query: &[("lifecycle", String::new())],
        headers: &[],
        payload: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    };
    let authorization = signer.authorization(&request, "20130524T000000Z");
    let wanted = "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    assert!(authorization.ends_with(wanted), "{authorization}");
}

#[test]
fn secrets_are_not_shown() {
    let settings = Settings {
        secret_key: "hidden".into(),
        ..Settings::default()
    };
    assert!(!format!("{settings:?}").contains("hidden"));
}

#[test]
fn refusals_have_their_meaning() {
    let refusal = |status, code: &str| {
        errors::meaning(http::Refusal {
            status,
            text: format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a &lt; b</Message></Error>"),
            location: None,
            wait: None,
        })
    };
    for (status, code, kind, passes) in [
        (404, "NoSuchKey", StoreErrorKind::NotFound, false),
        (403, "SignatureDoesNotMatch", StoreErrorKind::Unauthenticated, false),
        (403, "AccessDenied", StoreErrorKind::PermissionDenied, false),
        (503, "SlowDown", StoreErrorKind::Other, true),
        (400, "RequestTimeout", StoreErrorKind::Other, true),
        (412, "PreconditionFailed", StoreErrorKind::AlreadyExists, false),
        (409, "OperationAborted", StoreErrorKind::Other, true),
        (507, "XMinioStorageFull", StoreErrorKind::NoSpace, false),
        (500, "Unheard", StoreErrorKind::Other, true),
        (400, "Unheard", StoreErrorKind::Other, false),
    ] {
        let failure = refusal(status, code);
        assert_eq!((failure.kind(), failure.passes()), (kind, passes), "{code}");
    }
    let (_, cause) = refusal(404, "NoSuchBucket").explain();
    assert_eq!(cause.to_string(), "the server answered 404 (NoSuchBucket: a < b)");
}
