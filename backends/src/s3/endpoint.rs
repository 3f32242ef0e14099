use engine_api::Cause;

use super::Settings;
use crate::http::escape;

/// What is assumed until the bucket says otherwise.
const DEFAULT_REGION: &str = "us-east-1";

/// The domains whose buckets have regions with addresses of their own.
const AWS: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];

/// Others that want, or will one day want, the bucket in the host's name.
const BY_NAME: [&str; 2] = ["storage.googleapis.com", "aliyuncs.com"];

/// How a bucket is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As the host needs it: by name at Amazon and its like and wherever the server says that it takes nothing else, by
    /// path everywhere else.
    #[default]
    Auto,
    /// `https://HOST/BUCKET/…`
    Path,
    /// `https://BUCKET.HOST/…`
    Virtual,
}

/// A bucket, the place in it, and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    scheme: &'static str,
    host: String,
    pub(super) bucket: String,
    /// Empty, or ending in a slash.
    pub(super) prefix: String,
    pub(super) region: String,
    by_name: bool,
    /// Whether the other style may be tried.
    style: Style,
}

impl Endpoint {
    /// Reads the settings as restic reads `s3:HOST/BUCKET`: what the host has after a slash goes before the bucket.
    pub(super) fn of(settings: &Settings) -> Result<Self, Cause> {
        let (scheme, host) = match settings.host.split_once("://") {
            Some(("http", rest)) => ("http", rest),
            Some(("https", rest)) => ("https", rest),
            Some((other, _)) => return Err(wrong(format!("{other} is no protocol for S3"))),
            None => ("https", settings.host.as_str()),
        };
        let whole = [host, &settings.bucket, &settings.prefix].join("/");
        let mut parts = whole.split('/').filter(|part| !part.is_empty() && *part != ".");
        let (Some(host), Some(bucket)) = (parts.next(), parts.next()) else {
            return Err(wrong("the host or the bucket's name is missing".to_owned()));
        };
        let prefix: String = parts.map(|part| format!("{part}/")).collect();
        let region = if settings.region.is_empty() {
            region_of(host).unwrap_or(DEFAULT_REGION)
        } else {
            &settings.region
        };
        let by_name = match settings.style {
            Style::Path => false,
            Style::Virtual => true,
            // A dot would be one name more than the certificate is for.
            Style::Auto => AWS.iter().chain(&BY_NAME).any(|domain| is_of(host, domain)) && !bucket.contains('.'),
        };
        Ok(Self {
            scheme,
            host: host.to_owned(),
            bucket: bucket.to_owned(),
            prefix,
            region: region.to_owned(),
            by_name,
            style: settings.style,
        })
    }

    /// The same bucket in `region`; at Amazon each has a host of its own.
    pub(super) fn in_region(&self, region: &str) -> Self {
        let host = match AWS.iter().find(|domain| is_of(&self.host, domain)) {
            Some(domain) => format!("s3.{region}.{domain}"),
            None => self.host.clone(),
        };
        Self {
            host,
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// The same with the bucket in the host's name; `None` where it is there already or the settings say otherwise.
    pub(super) fn by_name(&self) -> Option<Self> {
        (self.style == Style::Auto && !self.by_name).then(|| Self {
            by_name: true,
            ..self.clone()
        })
    }

    /// The region that the server's address in a redirection has in its name, where this is a server of Amazon's.
    pub(super) fn region_at<'a>(&self, url: &'a str) -> Option<&'a str> {
        AWS.iter().find(|domain| is_of(&self.host, domain))?;
        let (_, rest) = url.split_once("://")?;
        let host = rest.split('/').next()?;
        region_of(host.strip_prefix(&format!("{}.", self.bucket)).unwrap_or(host))
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// The host as the request names it.
    pub(super) fn host(&self) -> String {
        let port = if self.is_encrypted() { ":443" } else { ":80" };
        let host = self.host.strip_suffix(port).unwrap_or(&self.host);
        if self.by_name {
            format!("{}.{host}", self.bucket)
        } else {
            host.to_owned()
        }
    }

    /// The path of `key`, escaped; the empty key is the bucket.
    pub(super) fn path(&self, key: &[u8]) -> String {
        let key = escape::path(key);
        if self.by_name {
            return format!("/{key}");
        }
        let bucket = escape::path(self.bucket.as_bytes());
        if key.is_empty() {
            format!("/{bucket}")
        } else {
            format!("/{bucket}/{key}")
        }
    }

    pub(super) fn url(&self, path: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}://{}{path}{mark}{query}", self.scheme, self.host())
    }

    /// The place for messages.
    pub(super) fn location(&self) -> String {
        let text = format!("s3:{}://{}/{}/{}", self.scheme, self.host, self.bucket, self.prefix);
        text.trim_end_matches('/').to_owned()
    }
}

/// The region in the name of a host of Amazon's.
fn region_of(host: &str) -> Option<&str> {
    let domain = AWS.iter().find(|domain| is_of(host, domain))?;
    let name = without_port(host).strip_suffix(domain)?.strip_suffix('.')?;
    let region = name.strip_prefix("s3.").or_else(|| name.strip_prefix("s3-"))?;
    let region = region.strip_prefix("dualstack.").unwrap_or(region);
    (!region.is_empty() && !region.contains('.')).then_some(region)
}

fn without_port(host: &str) -> &str {
    host.split(':').next().unwrap_or(host)
}

/// Whether `host` is `domain` or a name below it.
fn is_of(host: &str, domain: &str) -> bool {
    let above = without_port(host).strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn wrong(message: String) -> Cause {
    Cause::new(message)
        .with_hint(
            "give the host as `s3.example.org`, `https://s3.example.org:9000` or `http://…`, and the bucket's name",
        )
        .lasting()
}
