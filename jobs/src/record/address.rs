//! A storage written as one word, as `sftp://ann@host/backup`, for the properties that it stands for.

use std::path::Path;

/// The properties that an address stands for, `VFSType` among them.
pub type Address = Vec<(&'static str, String)>;

const FORMS: &str = "write a folder, usb:LABEL, nfs://HOST/EXPORT, cifs://LOGIN@HOST/SHARE, sftp://USER@HOST:PORT/FOLDER, \
                     https://HOST/FOLDER (WebDAV), s3://HOST/BUCKET, b2://BUCKET or rest:https://HOST:PORT/FOLDER";

/// Reads an address. Without a scheme it is a folder, which the caller has made absolute.
///
/// `sftp://host/srv/x` is the folder `/srv/x`, `sftp://host/./x` the folder `x` of the account.
///
/// # Errors
/// A sentence that says what may be written.
pub fn read_address(text: &str) -> Result<Address, String> {
    if let Some(label) = text.strip_prefix("usb:") {
        return Ok(vec![("VFSType", "usb".to_owned()), ("USBLabel", label.to_owned())]);
    }
    if let Some(server) = text.strip_prefix("rest:") {
        return rest(server);
    }
    let Some((scheme, place)) = text.split_once("://") else {
        let folder = Path::new(text);
        return if folder.is_absolute() {
            Ok(vec![
                ("VFSType", "local".to_owned()),
                ("LocalDirectory", text.to_owned()),
            ])
        } else {
            Err(FORMS.to_owned())
        };
    };
    if has_password(place) {
        return Err("a password does not belong into the address: it is asked for, or given with --secret".to_owned());
    }
    match scheme {
        "sftp" => sftp(place),
        "nfs" => {
            let (host, export) = split(place)?;
            Ok(of("nfs", [("NFSHost", host), ("NFSShare", &format!("/{export}"))]))
        }
        "cifs" | "smb" => {
            let (authority, share) = split(place)?;
            let (login, host) = login(authority);
            Ok(with_login(
                of("cifs", [("SMBHost", host), ("SMBShare", share)]),
                "SMBLogin",
                login,
            ))
        }
        "http" | "https" => {
            let (login, host) = login(place.split('/').next().unwrap_or_default());
            let folder = place.split_once('/').map_or("", |(_, folder)| folder);
            let url = format!("{scheme}://{host}/{folder}");
            Ok(with_login(
                of("webdav", [("WebDAVUrl", url.as_str())]),
                "WebDAVLogin",
                login,
            ))
        }
        "s3" => {
            let (host, bucket) = split(place)?;
            Ok(of("s3", [("S3Host", host), ("S3Bucket", bucket)]))
        }
        "b2" => Ok(of("b2", [("B2Bucket", place.trim_matches('/'))])),
        _ => Err(FORMS.to_owned()),
    }
}

fn of<const N: usize>(kind: &str, properties: [(&'static str, &str); N]) -> Address {
    let mut address = vec![("VFSType", kind.to_owned())];
    address.extend(properties.map(|(name, value)| (name, value.to_owned())));
    address
}

fn with_login(mut address: Address, property: &'static str, login: Option<&str>) -> Address {
    address.extend(login.map(|login| (property, login.to_owned())));
    address
}

/// The server, and what follows the first slash after it.
fn split(place: &str) -> Result<(&str, &str), String> {
    let parts = place
        .split_once('/')
        .filter(|(host, rest)| !host.is_empty() && !rest.is_empty());
    parts.ok_or_else(|| FORMS.to_owned())
}

fn login(authority: &str) -> (Option<&str>, &str) {
    match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    }
}

fn has_password(place: &str) -> bool {
    let authority = place.split('/').next().unwrap_or_default();
    login(authority).0.is_some_and(|login| login.contains(':'))
}

/// A host with its port, an IPv6 address standing in brackets.
fn port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn sftp(place: &str) -> Result<Address, String> {
    let (authority, folder) = split(place)?;
    let (user, host) = login(authority);
    let (host, port) = port(host);
    let folder = match folder.strip_prefix("./") {
        Some(relative) => relative.to_owned(),
        None => format!("/{folder}"),
    };
    let mut address = of("sftp", [("SftpHost", host), ("SftpDirectory", folder.as_str())]);
    address.extend(port.map(|port| ("SftpPort", port.to_owned())));
    Ok(with_login(address, "SftpUser", user))
}

fn rest(server: &str) -> Result<Address, String> {
    let (protocol, place) = server.split_once("://").ok_or_else(|| FORMS.to_owned())?;
    if has_password(place) {
        return Err("a password does not belong into the address: it is asked for, or given with --secret".to_owned());
    }
    let (authority, folder) = place.split_once('/').unwrap_or((place, ""));
    let (user, host) = login(authority);
    let (host, port) = port(host);
    let mut address = of("rest", [("RestProtocol", protocol), ("RestHost", host)]);
    address.extend(port.map(|port| ("RestPort", port.to_owned())));
    address.extend((!folder.is_empty()).then(|| ("RestDirectory", folder.to_owned())));
    Ok(with_login(address, "RestUser", user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let address = read_address(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let pairs: Vec<_> = address.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn every_storage_has_an_address() {
        let cases = [
            ("/srv/a b", "VFSType=local LocalDirectory=/srv/a b"),
            ("usb:backup", "VFSType=usb USBLabel=backup"),
            ("nfs://nas/export/x", "VFSType=nfs NFSHost=nas NFSShare=/export/x"),
            (
                "cifs://ann@nas/share",
                "VFSType=cifs SMBHost=nas SMBShare=share SMBLogin=ann",
            ),
            (
                "sftp://u@h/srv/x",
                "VFSType=sftp SftpHost=h SftpDirectory=/srv/x SftpUser=u",
            ),
            (
                "sftp://u@h:2222/./x",
                "VFSType=sftp SftpHost=h SftpDirectory=x SftpPort=2222 SftpUser=u",
            ),
            (
                "sftp://u@[::1]/x",
                "VFSType=sftp SftpHost=[::1] SftpDirectory=/x SftpUser=u",
            ),
            (
                "https://ann@cloud/dav/x",
                "VFSType=webdav WebDAVUrl=https://cloud/dav/x WebDAVLogin=ann",
            ),
            (
                "s3://s3.example.org/bucket",
                "VFSType=s3 S3Host=s3.example.org S3Bucket=bucket",
            ),
            ("b2://bucket", "VFSType=b2 B2Bucket=bucket"),
            (
                "rest:https://me@h:8000/repo/x",
                "VFSType=rest RestProtocol=https RestHost=h RestPort=8000 RestDirectory=repo/x RestUser=me",
            ),
        ];
        for (text, properties) in cases {
            assert_eq!(read(text), properties, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_and_what_must_not_be_in_one() {
        for text in [
            "",
            "relative",
            "ftp://h/x",
            "sftp://h",
            "nfs://nas",
            "s3://host",
            "rest:h/x",
        ] {
            assert!(read_address(text).is_err(), "{text}");
        }
        for text in ["sftp://u:geheim@h/x", "https://a:geheim@h/x", "rest:http://a:geheim@h/"] {
            let error = read_address(text).unwrap_err();
            assert!(
                error.contains("does not belong") && !error.contains("geheim"),
                "{error}"
            );
        }
    }
}
