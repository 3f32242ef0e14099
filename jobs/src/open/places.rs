//! The storages, each opened with what a record says of it.

use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use backends::http::Trust;
use backends::layers::{Attempt, Bandwidth, BandwidthFiles, Retry, RetryPolicy};
use backends::mount::{Spot, cifs, nfs, usb};
use backends::{b2, local, rest, s3, sftp, webdav};
use engine_api::{Destination, FileStore};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::record::{Certificate, EngineName, Place};
use crate::site::Site;

/// Opens the place, and makes the repository's folder there when `create` says so.
pub(super) fn open(context: &Context, site: &Site, create: bool) -> engine_api::Result<Destination> {
    Ok(match &site.place {
        Place::Local(folder) => local::open(folder, create)?,
        Place::Usb { label } => {
            let settings = usb::Settings {
                label: label.clone(),
                spot: spot(context, site),
                needs_links: site.engine == EngineName::Rsync,
            };
            usb::open(&settings, create)?
        }
        Place::Cifs {
            host,
            share,
            login,
            password,
        } => {
            let settings = cifs::Settings {
                host: host.clone(),
                share: share.clone(),
                login: login.clone(),
                password: password.clone(),
                spot: spot(context, site),
            };
            cifs::open(&settings, create)?
        }
        Place::Nfs { host, share } => {
            let settings = nfs::Settings {
                host: host.clone(),
                share: share.clone(),
                spot: spot(context, site),
            };
            nfs::open(&settings, create)?
        }
        Place::Sftp { .. } => sftp::open(sftp_settings(site)?, create)?,
        Place::Rest { .. } => rest::open(&rest_settings(site, create)?)?,
        Place::WebDav { .. } | Place::S3 { .. } | Place::B2 { .. } => shared(site, create)?,
    })
}

/// Where a mounted storage is mounted, and the folder below it.
fn spot(context: &Context, site: &Site) -> Spot {
    Spot {
        point: site.mount_point.clone().unwrap_or_default(),
        folder: site.subfolder.clone(),
        locks: context.layout.locks.clone(),
    }
}

pub(super) fn sftp_settings(site: &Site) -> Result<sftp::Settings> {
    let Place::Sftp {
        host,
        port,
        user,
        directory,
    } = &site.place
    else {
        return Err(Error::Usage(format!("{} is no SSH server", site.location)));
    };
    let mut settings = sftp::Settings::new(
        host.as_str(),
        user.as_str(),
        directory.as_str(),
        site.known_hosts.clone(),
    );
    settings.port = *port;
    settings.keys.clone_from(&site.ssh_keys);
    Ok(settings)
}

fn rest_settings(site: &Site, create: bool) -> Result<rest::Settings> {
    let Place::Rest {
        protocol,
        host,
        port,
        directory,
        user,
        password,
        certificate,
    } = &site.place
    else {
        return Err(Error::Usage(format!("{} is no REST server", site.location)));
    };
    Ok(rest::Settings {
        protocol: protocol.clone(),
        host: host.clone(),
        port: *port,
        directory: directory.clone(),
        user: user.clone(),
        password: password.clone(),
        trust: trust(certificate)?,
        create,
        http: http_options(site),
    })
}

/// Those on which several machines may have a folder each.
fn shared(site: &Site, create: bool) -> engine_api::Result<Destination> {
    let directory = site.subfolder.to_string_lossy().into_owned();
    let http = http_options(site);
    Ok(match &site.place {
        Place::WebDav {
            url,
            login,
            password,
            certificate,
        } => webdav::open(&webdav::Settings {
            url: url.clone(),
            directory,
            login: login.clone(),
            password: password.clone(),
            trust: trust(certificate)?,
            create,
            http,
        })?,
        Place::S3 {
            host,
            bucket,
            access_key,
            secret_key,
            region,
            storage_class,
            certificate,
        } => s3::open(&s3::Settings {
            host: host.clone(),
            bucket: bucket.clone(),
            prefix: directory,
            access_key: access_key.clone(),
            secret_key: secret_key.clone(),
            region: region.clone(),
            storage_class: storage_class.clone(),
            trust: trust(certificate)?,
            create,
            http,
            style: s3::Style::default(),
            object_lock: None,
        })?,
        Place::B2 { account, key, bucket } => b2::open(&b2::Settings {
            account_id: account.clone(),
            account_key: key.clone(),
            bucket: bucket.clone(),
            prefix: directory,
            api: String::new(),
            trust: Trust::default(),
            create,
            http,
        })?,
        place => return Err(Error::Usage(format!("{place} is no server of this kind")).into()),
    })
}

/// With the limit of the traffic, where there is one: these pace the bytes within an object, too.
fn http_options(site: &Site) -> backends::http::Options {
    backends::http::Options {
        up: site.rate.clone(),
        down: site.rate.clone(),
        ..backends::http::Options::default()
    }
}

/// Holds the traffic of all other storages down to the limit, where there is one.
pub(super) fn with_rate(site: &Site, mut destination: Destination) -> Destination {
    let http = matches!(
        site.place,
        Place::Rest { .. } | Place::WebDav { .. } | Place::S3 { .. } | Place::B2 { .. }
    );
    if let Some(rate) = site.rate.as_ref().filter(|_| !http) {
        let (up, down) = (Arc::clone(rate), Arc::clone(rate));
        destination.blobs = Arc::new(Bandwidth::new(destination.blobs, up, down));
        let (up, down) = (Arc::clone(rate), Arc::clone(rate));
        let paced = |files| Arc::new(BandwidthFiles::new(files, up, down)) as Arc<dyn FileStore>;
        destination.files = destination.files.map(paced);
    }
    destination
}

fn trust(certificate: &Certificate) -> Result<Trust> {
    Ok(match certificate {
        Certificate::System => Trust::System,
        Certificate::Any => Trust::Insecure,
        Certificate::Pinned(fingerprint) => Trust::Pinned(*fingerprint),
        Certificate::Authority(path) => {
            let pem = fs::read(path).map_err(|error| Error::io("read the certificate", path, error))?;
            Trust::Authority(pem)
        }
    })
}

/// Puts the layer on top that tries again what may pass; mounted and local places need none.
pub(super) fn with_retries(site: &Site, mut destination: Destination, retries: &Arc<Retries>) -> Destination {
    if site.place.is_remote() {
        let retries = Arc::clone(retries);
        let listener = Box::new(move |attempt: Attempt<'_>| {
            retries.note(&attempt);
            ControlFlow::Continue(())
        });
        destination.blobs = Arc::new(Retry::new(destination.blobs, RetryPolicy::default(), listener));
    }
    destination
}

/// What had to be tried again.
#[derive(Default)]
pub(crate) struct Retries(Mutex<(u64, Vec<String>)>);

impl Retries {
    /// How many are kept word for word.
    const KEPT: usize = 20;

    fn note(&self, attempt: &Attempt<'_>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        if kept.1.len() < Self::KEPT {
            let cause = std::error::Error::source(attempt.error).map_or_else(String::new, |cause| format!(": {cause}"));
            kept.1.push(format!("tried again: {}{cause}", attempt.error));
        }
    }

    /// The lines that tell it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = kept.1.clone();
        if kept.0 > Self::KEPT as u64 {
            lines.push(format!("tried again {} times in all", kept.0));
        }
        lines
    }
}
