use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine_api::{Body, Capabilities, Destination, PutMode, StoreError, StoreErrorKind};

use super::endpoint::Endpoint;
use super::errors::{self, Spoken};
use super::upload::PROBE;
use super::{CONCURRENCY, S3, Settings, upload};
use crate::http::{Answer, Client, Failure, Place, Refusal};

/// Opens the bucket, in whichever region it is.
///
/// # Errors
/// [`StoreErrorKind::NotFound`] when there is no such bucket and none is to be made, [`StoreErrorKind::Unauthenticated`],
/// [`StoreErrorKind::Untrusted`] and their like when the server cannot be used.
pub fn open(settings: &Settings) -> Result<Destination, StoreError> {
    let place = Place {
        operation: "open",
        location: &settings.host,
    };
    let unusable = |cause| place.folder("", Failure::Known(StoreErrorKind::Other, cause));
    let endpoint = Endpoint::of(settings).map_err(unusable)?;
    let concurrency = settings.http.concurrency(CONCURRENCY);
    let client = Client::new(&settings.trust, &settings.http, concurrency).map_err(unusable)?;
    let mut store = S3 {
        client,
        location: endpoint.location(),
        endpoint,
        access_key: settings.access_key.clone(),
        secret_key: settings.secret_key.clone(),
        storage_class: settings.storage_class.clone(),
        checks: AtomicBool::new(settings.object_lock.is_some()),
        object_lock: settings.object_lock.clone(),
        capabilities: Capabilities::minimal().with_concurrency(concurrency),
        conditional: AtomicBool::new(true),
        swept: AtomicBool::new(false),
    };
    if let Err(failure) = store.find(settings.create) {
        return Err(store.place("open").folder("", failure));
    }
    Ok(Destination::new(Arc::new(store), Box::new(())))
}

/// How often the server may point elsewhere: to the other style, to the region, and once more.
const TURNS: usize = 3;

impl S3 {
    /// Finds the bucket: its style and its region where the settings do not say, or name another region.
    fn find(&mut self, create: bool) -> Result<(), Failure> {
        let mut turns = TURNS;
        loop {
            let answer = self.look()?;
            if answer.status == 200 {
                answer.finish()?;
                return self.probe(create);
            }
            let region = answer.header("x-amz-bucket-region").map(str::to_owned);
            let refusal = answer.refusal();
            let mut spoken = Spoken::of(&refusal);
            spoken.region = region.unwrap_or(spoken.region);
            if spoken.code == "NoSuchBucket" && create {
                self.make()?;
                return self.probe(create);
            }
            match self.elsewhere(&refusal, &spoken) {
                Some(endpoint) if turns > 0 => self.endpoint = endpoint,
                _ => return Err(errors::meaning_of(refusal, &spoken)),
            }
            turns -= 1;
        }
    }

    /// Where the bucket is to be asked for instead, as far as the server's refusal tells.
    fn elsewhere(&self, refusal: &Refusal, spoken: &Spoken) -> Option<Endpoint> {
        if errors::REFUSED_PATHS.contains(&spoken.code.as_str()) {
            return self.endpoint.by_name();
        }
        let named = Some(spoken.region.as_str()).filter(|region| !region.is_empty());
        let region = named.or_else(|| self.endpoint.region_at(refusal.location.as_deref()?))?;
        (region != self.endpoint.region).then(|| self.endpoint.in_region(region))
    }

    /// A listing of one: it needs the login, the bucket and the right to list, as everything later does.
    fn look(&self) -> Result<Answer, Failure> {
        self.request("GET", b"")
            .query("list-type", "2")
            .query("max-keys", "1")
            .query("prefix", self.endpoint.prefix.clone())
            .send_any()
    }

    fn make(&self) -> Result<(), Failure> {
        let region = &self.endpoint.region;
        let document = format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        // The first region of all must not be named.
        let body = if region == "us-east-1" { "" } else { &document };
        self.request("PUT", b"")
            .body(Body::Bytes(body.as_bytes()))
            .send()?
            .finish()
    }

    /// Finds out whether the server keeps creators apart. That takes an object, so it is done only where a repository is
    /// about to be made; else nothing is promised.
    fn probe(&mut self, create: bool) -> Result<(), Failure> {
        if !create {
            return Ok(());
        }
        let name = self.probe_name();
        let put = || upload::put(self, &name, Body::Bytes(b"probe"), PutMode::Create);
        // The capabilities promise nothing yet, so a put looks first: the condition itself must be asked for.
        let conditional = || {
            upload::send(self, PutMode::Create, || {
                let request = self.request("PUT", &name).body(Body::Bytes(b"probe"));
                request.with_checksum(self.is_checked())
            })
        };
        put()?;
        let refused = matches!(&conditional(), Err(failure) if failure.kind() == StoreErrorKind::AlreadyExists);
        self.request("DELETE", &name).send()?.finish()?;
        if refused && self.is_conditional() {
            self.capabilities = self.capabilities.clone().with_exclusive_create(true);
        }
        Ok(())
    }

    fn probe_name(&self) -> Vec<u8> {
        use std::hash::{BuildHasher, RandomState};
        let number = RandomState::new().hash_one(std::process::id());
        format!("{}{PROBE}{number:016x}", self.endpoint.prefix).into_bytes()
    }
}
