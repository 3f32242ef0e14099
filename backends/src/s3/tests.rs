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

#[test]
fn the_bucket_stands_in_the_name_where_the_host_wants_it() {
    for (host, by_name) in [
        ("s3.eu-west-1.amazonaws.com", true),
        ("s3.cn-north-1.amazonaws.com.cn", true),
        ("storage.googleapis.com", true),
        ("oss-eu-central-1.aliyuncs.com:443", true),
        ("notamazonaws.com", false),
        ("s3.wasabisys.com", false),
    ] {
        let found = endpoint(host, "b");
        assert_eq!(found.host().starts_with("b."), by_name, "{host}");
        // What may still be tried where the server refuses the path.
        assert_eq!(found.by_name().is_some(), !by_name, "{host}");
    }
    let settings = Settings {
        host: "s3.example.org".to_owned(),
        bucket: "b".to_owned(),
        style: Style::Path,
        ..Settings::default()
    };
    assert!(
        Endpoint::of(&settings).unwrap().by_name().is_none(),
        "the settings count"
    );
    let other = endpoint("s3.example.org", "b").by_name().unwrap();
    assert_eq!(other.url(&other.path(b"x"), ""), "https://b.s3.example.org/x");
}

#[test]
fn regions_are_found_in_redirections_of_amazons() {
    let here = endpoint("s3.amazonaws.com", "b");
    for (url, region) in [
        ("https://b.s3.us-west-2.amazonaws.com/?x", Some("us-west-2")),
        ("https://b.s3-us-west-2.amazonaws.com/", Some("us-west-2")),
        ("https://s3.eu-west-3.amazonaws.com/b", Some("eu-west-3")),
        ("https://b.s3.example.org/", None),
        ("nonsense", None),
    ] {
        assert_eq!(here.region_at(url), region, "{url}");
    }
    assert_eq!(
        endpoint("s3.example.org", "b").region_at("https://b.s3.us-west-2.amazonaws.com/"),
        None
    );
}

#[test]
fn another_region_is_named_in_the_hint() {
    let (_, cause) = errors::meaning(http::Refusal {
        status: 400,
        text: "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>".to_owned(),
        location: None,
        wait: None,
    })
    .explain();
    assert!(cause.hint().unwrap().contains("S3Region eu-west-3"), "{cause:?}");
}

/// By a code of its own, or by the words of a general one; whoever only asks for a digest speaks of locks, too.
#[test]
fn locked_objects_are_told_from_forbidden_ones() {
    let kind = |status, code: &str, message: &str| {
        errors::meaning(http::Refusal {
            status,
            text: format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
            location: None,
            wait: None,
        })
        .kind()
    };
    let locked = "Access Denied because object protected by object lock.";
    assert_eq!(kind(403, "AccessDenied", locked), StoreErrorKind::Retained);
    assert_eq!(kind(400, "ObjectLocked", ""), StoreErrorKind::Retained);
    let worm = "Object is WORM protected and cannot be overwritten";
    assert_eq!(kind(400, "InvalidRequest", worm), StoreErrorKind::Retained);
    assert_eq!(
        kind(403, "AccessDenied", "Access Denied"),
        StoreErrorKind::PermissionDenied
    );
    let digest = "Content-MD5 HTTP header is required for Put Object requests with Object Lock parameters";
    assert_eq!(kind(400, "InvalidRequest", digest), StoreErrorKind::Other);
    // Where nothing can be locked, nothing is kept.
    for missing in [
        "Bucket is missing Object Lock Configuration",
        "Bucket is missing ObjectLockConfiguration",
    ] {
        assert_eq!(kind(400, "InvalidRequest", missing), StoreErrorKind::Unsupported);
    }
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
