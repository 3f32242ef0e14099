use std::sync::PoisonError;

use engine_api::{Body, Cause, StoreErrorKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::B2;
use crate::Secret;
use crate::http::{Answer, Call, Client, Failure, Refusal, basic};

/// What the service said when it was logged in to.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) api_url: String,
    pub(super) download_url: String,
    pub(super) token: Secret,
    pub(super) account_id: String,
    pub(super) smallest_part: u64,
    /// The bucket that the key is for, its id and its name, when it is for one only.
    pub(super) bucket: Option<(String, String)>,
    may: Vec<String>,
}

impl Session {
    /// Whether the key may do `what`, such as `deleteFiles`.
    pub(super) fn may(&self, what: &str) -> bool {
        self.may.iter().any(|capability| capability == what)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization {
    account_id: String,
    authorization_token: String,
    api_url: String,
    download_url: String,
    #[serde(default)]
    absolute_minimum_part_size: u64,
    #[serde(default)]
    allowed: Allowed,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Allowed {
    #[serde(default)]
    capabilities: Vec<String>,
    bucket_id: Option<String>,
    bucket_name: Option<String>,
}

/// Logs in.
pub(super) fn authorize(client: &Client, service: &str, id: &str, key: &Secret) -> Result<Session, Failure> {
    let url = format!("{service}/b2api/v2/b2_authorize_account");
    let call = Call::new("GET", &url).header("authorization", basic(id, key).as_str());
    let answer = client.send(call)?;
    if answer.status == 401 {
        let cause = Cause::new("the service does not know this key")
            .with_hint("check the account's id and key in the backup's record");
        return Err(Failure::Known(StoreErrorKind::Unauthenticated, cause));
    }
    let said: Authorization = json(checked(answer, &[200])?)?;
    Ok(Session {
        api_url: said.api_url,
        download_url: said.download_url,
        token: Secret::new(said.authorization_token),
        account_id: said.account_id,
        smallest_part: said.absolute_minimum_part_size,
        bucket: said.allowed.bucket_id.zip(said.allowed.bucket_name),
        may: said.allowed.capabilities,
    })
}

impl B2 {
    pub(super) fn session(&self) -> Session {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends what `send` makes of the session; when that has ended, once more with a new one.
    pub(super) fn with_session(&self, send: impl Fn(&Session) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        let session = self.session();
        let answer = send(&session)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let refusal = answer.refusal();
        // An answer to HEAD has no code in it.
        if !refusal.text.is_empty() && !is_expired(&refusal) {
            return Err(meaning(refusal));
        }
        send(&self.renewed(&session)?)
    }

    /// A session other than `old`: another thread may have made one.
    fn renewed(&self, old: &Session) -> Result<Session, Failure> {
        let mut current = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if current.token == old.token {
            *current = authorize(&self.client, &self.service, &self.account_id, &self.account_key)?;
        }
        Ok(current.clone())
    }

    /// Calls the function `name` of the service.
    pub(super) fn ask<T: DeserializeOwned>(&self, name: &str, arguments: &Value) -> Result<T, Failure> {
        let body = arguments.to_string();
        let answer = self.with_session(|session| {
            let url = format!("{}/b2api/v2/{name}", session.api_url);
            let call = Call::new("POST", &url)
                .header("authorization", session.token.reveal())
                .header("content-type", "application/json")
                .body(Body::Bytes(body.as_bytes()));
            self.client.send(call)
        })?;
        json(checked(answer, &[200])?)
    }
}

/// The answer if its status is one of `good`, otherwise what it means.
pub(super) fn checked(answer: Answer, good: &[u16]) -> Result<Answer, Failure> {
    if good.contains(&answer.status) {
        return Ok(answer);
    }
    Err(meaning(answer.refusal()))
}

pub(super) fn json<T: DeserializeOwned>(answer: Answer) -> Result<T, Failure> {
    let bytes = answer.bytes()?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Nonsense(format!("the service's answer cannot be read ({error})")))
}

/// How the service says no.
#[derive(Deserialize, Default)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn is_expired(refusal: &Refusal) -> bool {
    let said: Said = serde_json::from_str(&refusal.text).unwrap_or_default();
    matches!(said.code.as_str(), "expired_auth_token" | "bad_auth_token")
}

/// The failure that a refusal means, by the code in it where it has one.
pub(super) fn meaning(refusal: Refusal) -> Failure {
    use StoreErrorKind as K;
    let said: Said = serde_json::from_str(&refusal.text).unwrap_or_default();
    let (kind, hint) = match said.code.as_str() {
        "unauthorized" | "access_denied" => (
            K::PermissionDenied,
            "make a key that may list, read, write and delete files in this bucket",
        ),
        "storage_cap_exceeded" | "cap_exceeded" => (K::NoSpace, "raise the storage cap of the account"),
        "transaction_cap_exceeded" | "download_cap_exceeded" => (
            K::PermissionDenied,
            "raise the caps of the account, or wait until tomorrow",
        ),
        "not_found" | "no_such_file" | "file_not_present" | "already_hidden" => {
            return Failure::not_found(said.message);
        }
        "bad_bucket_id" => (K::NotFound, "check the bucket's name"),
        "duplicate_bucket_name" => (
            K::PermissionDenied,
            "the name belongs to somebody else's bucket: choose another",
        ),
        _ => return refusal.into(),
    };
    let text = format!(
        "the service answered {} ({}: {})",
        refusal.status, said.code, said.message
    );
    Failure::Known(kind, Cause::new(text).with_hint(hint).with_wait(refusal.wait))
}
