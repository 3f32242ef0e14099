//! How a bucket in another region is told.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::http::Extensions;
use hyper::{Method, StatusCode, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

/// What the answer to a request signed for another region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// 400, and the region in the text.
    Malformed,
    /// 301, and the region in a header.
    Permanent,
    /// 307, and the region in a header.
    Temporary,
    /// 301, and an address without a region.
    Vague,
}

/// Sends away what is signed for another region than `region`.
pub struct Elsewhere {
    pub region: &'static str,
    pub way: Way,
}

impl Elsewhere {
    fn answer(&self) -> (StatusCode, &'static str, String) {
        let region = self.region;
        match self.way {
            Way::Malformed => (
                StatusCode::BAD_REQUEST,
                "AuthorizationHeaderMalformed",
                format!("<Region>{region}</Region>"),
            ),
            Way::Temporary => (StatusCode::TEMPORARY_REDIRECT, "TemporaryRedirect", String::new()),
            Way::Permanent | Way::Vague => (StatusCode::MOVED_PERMANENTLY, "PermanentRedirect", String::new()),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self.way {
            Way::Malformed => {}
            Way::Permanent | Way::Temporary => {
                headers.insert("x-amz-bucket-region", HeaderValue::from_static(self.region));
            }
            Way::Vague => {
                headers.insert("location", HeaderValue::from_static("https://there.example.org/"));
            }
        }
        headers
    }
}

#[async_trait::async_trait]
impl S3Route for Elsewhere {
    fn is_match(&self, _method: &Method, _uri: &Uri, headers: &HeaderMap, _extensions: &mut Extensions) -> bool {
        let signed = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        signed.is_some_and(|text| !text.contains(&format!("/{}/s3/", self.region)))
    }

    async fn call(&self, _request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let (status, code, more) = self.answer();
        let text =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Go elsewhere</Message>{more}</Error>");
        let mut response = S3Response::new(Body::from(text));
        response.status = Some(status);
        response.headers = self.headers();
        Ok(response)
    }
}
