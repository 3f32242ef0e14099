//! The storages, each opened with what a record says of it.

use std::fs;

use backends::http::{Options, Trust};
use backends::mount::{Spot, cifs, nfs, usb};
use backends::{b2, local, rest, s3, sftp, webdav};
use engine_api::{Destination, StoreError};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::record::{Certificate, EngineName, Place};
use crate::site::Site;

/// Opens a place, as often as it is called.
pub(super) type Opener = Box<dyn Fn() -> Result<Destination, StoreError>>;

/// What opens the place, and makes the repository's folder there when `create` says so.
///
/// # Errors
/// When a file that the record names cannot be read.
pub(super) fn opener(context: &Context, site: &Site, create: bool, http: &Options) -> Result<Opener> {
    Ok(match &site.place {
        Place::Local(folder) => {
            let mut folder = folder.clone();
            // An empty one would put a slash at the end, which names show.
            folder.extend(&site.subfolder);
            Box::new(move || local::open(&folder, create))
        }
        Place::Usb { label } => {
            let settings = usb::Settings {
                label: label.clone(),
                spot: spot(context, site),
                needs_links: site.engine == EngineName::Rsync,
            };
            Box::new(move || usb::open(&settings, create))
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
            Box::new(move || cifs::open(&settings, create))
        }
        Place::Nfs { host, share } => {
            let settings = nfs::Settings {
                host: host.clone(),
                share: share.clone(),
                spot: spot(context, site),
            };
            Box::new(move || nfs::open(&settings, create))
        }
        Place::Sftp { .. } => {
            let settings = sftp_settings(site)?;
            let open = match site.engine {
                EngineName::Rsync => sftp::open_files,
                EngineName::Restic | EngineName::Duplicity => sftp::open,
            };
            Box::new(move || open(settings.clone(), create))
        }
        Place::Rest { .. } => {
            let settings = rest_settings(site, create, http)?;
            Box::new(move || rest::open(&settings))
        }
        Place::WebDav { .. } | Place::S3 { .. } | Place::B2 { .. } => shared(site, create, http)?,
    })
}

/// Where a mounted storage is mounted, and the folder below it.
fn spot(context: &Context, site: &Site) -> Spot {
    Spot {
        point: site.mount_point.clone().unwrap_or_default(),
        folder: site.subfolder.clone(),
        locks: context.layout.locks.clone(),
        patience: site.answer_limit.unwrap_or(Spot::PATIENCE),
    }
}

/// The folder of this machine in `directory`, where it has one there.
fn below(directory: &str, site: &Site) -> String {
    match site.subfolder.to_str() {
        None | Some("") => directory.to_owned(),
        Some(folder) => format!("{}/{folder}", directory.trim_end_matches('/')),
    }
}

pub(crate) fn sftp_settings(site: &Site) -> Result<sftp::Settings> {
    let Place::Sftp {
        host,
        port,
        user,
        directory,
        compress,
        commands,
    } = &site.place
    else {
        return Err(Error::Usage(format!("{} is no SSH server", site.location)));
    };
    let directory = below(directory, site);
    let mut settings = sftp::Settings::new(host.as_str(), user.as_str(), directory, site.known_hosts.clone());
    settings.port = *port;
    settings.compress = *compress;
    settings.commands = *commands;
    settings.keys.clone_from(&site.ssh_keys);
    if let Some(limit) = site.answer_limit {
        settings.stall_timeout = limit;
    }
    Ok(settings)
}

fn rest_settings(site: &Site, create: bool, http: &Options) -> Result<rest::Settings> {
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
        directory: below(directory, site),
        user: user.clone(),
        password: password.clone(),
        trust: trust(certificate)?,
        create,
        http: http.clone(),
    })
}

/// Those on which several machines may have a folder each.
fn shared(site: &Site, create: bool, http: &Options) -> Result<Opener> {
    let directory = site.subfolder.to_string_lossy().into_owned();
    let http = http.clone();
    Ok(match &site.place {
        Place::WebDav {
            url,
            login,
            password,
            certificate,
        } => {
            let settings = webdav::Settings {
                url: url.clone(),
                directory,
                login: login.clone(),
                password: password.clone(),
                trust: trust(certificate)?,
                create,
                http,
            };
            Box::new(move || webdav::open(&settings))
        }
        Place::S3 { .. } => {
            let settings = s3_settings(site, create, http)?;
            Box::new(move || s3::open(&settings))
        }
        Place::B2 {
            account,
            key,
            bucket,
            api,
        } => {
            let settings = b2::Settings {
                account_id: account.clone(),
                account_key: key.clone(),
                bucket: bucket.clone(),
                prefix: directory,
                api: api.clone(),
                trust: Trust::default(),
                create,
                http,
            };
            Box::new(move || b2::open(&settings))
        }
        place => return Err(Error::Usage(format!("{place} is no server of this kind"))),
    })
}

fn s3_settings(site: &Site, create: bool, http: Options) -> Result<s3::Settings> {
    let Place::S3 {
        host,
        bucket,
        access_key,
        secret_key,
        region,
        storage_class,
        style,
        lock,
        certificate,
    } = &site.place
    else {
        return Err(Error::Usage(format!("{} is no bucket", site.location)));
    };
    Ok(s3::Settings {
        host: host.clone(),
        bucket: bucket.clone(),
        prefix: site.subfolder.to_string_lossy().into_owned(),
        access_key: access_key.clone(),
        secret_key: secret_key.clone(),
        region: region.clone(),
        storage_class: storage_class.clone(),
        trust: trust(certificate)?,
        create,
        http,
        style: *style,
        object_lock: lock.clone(),
    })
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
