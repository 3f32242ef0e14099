use std::sync::{Arc, Mutex};

use engine_api::{Capabilities, Cause, Destination, StoreError, StoreErrorKind};
use serde::Deserialize;
use serde_json::json;

use super::{B2, CONCURRENCY, Settings, api};
use crate::http::{Client, Failure, Place};

const SERVICE: &str = "https://api.backblazeb2.com";

/// Opens the bucket.
///
/// # Errors
/// [`StoreErrorKind::NotFound`] when there is no such bucket and none is to be made, [`StoreErrorKind::Unauthenticated`]
/// and their like when the service cannot be used.
pub fn open(settings: &Settings) -> Result<Destination, StoreError> {
    let prefix: String = settings
        .prefix
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .map(|part| format!("{part}/"))
        .collect();
    let location = format!("b2:{}:{prefix}", settings.bucket);
    let location = location.trim_end_matches(['/', ':']).to_owned();
    let place = Place {
        operation: "open",
        location: &location,
    };
    connect(settings, prefix, &location)
        .map(|store| Destination::new(Arc::new(store), Box::new(())))
        .map_err(|failure| place.folder("", failure))
}

fn connect(settings: &Settings, prefix: String, location: &str) -> Result<B2, Failure> {
    let concurrency = settings.http.concurrency(CONCURRENCY);
    let client = Client::new(&settings.trust, &settings.http, concurrency)
        .map_err(|cause| Failure::Known(StoreErrorKind::Other, cause))?;
    let service = if settings.api.is_empty() {
        SERVICE
    } else {
        &settings.api
    };
    let service = service.trim_end_matches('/').to_owned();
    let session = api::authorize(&client, &service, &settings.account_id, &settings.account_key)?;
    let mut store = B2 {
        client,
        service,
        account_id: settings.account_id.clone(),
        account_key: settings.account_key.clone(),
        session: Mutex::new(session),
        bucket: settings.bucket.clone(),
        bucket_id: String::new(),
        prefix,
        location: location.to_owned(),
        capabilities: Capabilities::minimal().with_concurrency(concurrency),
        targets: Mutex::default(),
    };
    store.bucket_id = store.find(settings.create)?;
    Ok(store)
}

#[derive(Deserialize)]
struct Buckets {
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    bucket_id: String,
    bucket_name: String,
}

impl B2 {
    /// The bucket's id.
    fn find(&self, create: bool) -> Result<String, Failure> {
        let session = self.session();
        if let Some((id, name)) = session.bucket {
            return if name == self.bucket {
                Ok(id)
            } else {
                Err(other_bucket(&name))
            };
        }
        let arguments = json!({ "accountId": session.account_id, "bucketName": self.bucket });
        let found: Buckets = self.ask("b2_list_buckets", &arguments)?;
        let found = found
            .buckets
            .into_iter()
            .find(|bucket| bucket.bucket_name == self.bucket);
        match found {
            Some(bucket) => Ok(bucket.bucket_id),
            None if create => self.make(&session.account_id),
            None => {
                let cause = Cause::new("the account has no such bucket");
                let cause = cause.with_hint("check the bucket's name, or have the bucket made");
                Err(Failure::Known(StoreErrorKind::NotFound, cause))
            }
        }
    }

    fn make(&self, account_id: &str) -> Result<String, Failure> {
        let arguments = json!({
            "accountId": account_id,
            "bucketName": self.bucket,
            "bucketType": "allPrivate",
        });
        let bucket: Bucket = self.ask("b2_create_bucket", &arguments)?;
        Ok(bucket.bucket_id)
    }
}

fn other_bucket(name: &str) -> Failure {
    let cause = Cause::new(format!("the key is for the bucket {name} only"));
    let cause = cause.with_hint("give the record a key for this bucket");
    Failure::Known(StoreErrorKind::PermissionDenied, cause)
}
