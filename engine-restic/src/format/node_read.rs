//! A node from JSON, as any restic has written it.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64;
use engine_api::{Metadata, Timestamp, Xattr};
use serde::Deserialize;

use super::node::{kind_named, unix_mode};
use super::{Node, gotime, quote};
use crate::Id;

/// The fields as they stand in the JSON.
#[derive(Deserialize)]
pub struct RawNode<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    mode: u32,
    #[serde(borrow, default)]
    mtime: Cow<'a, str>,
    #[serde(borrow, default)]
    atime: Cow<'a, str>,
    #[serde(borrow, default)]
    ctime: Cow<'a, str>,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    #[serde(borrow, default)]
    user: Cow<'a, str>,
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(default)]
    inode: u64,
    #[serde(default)]
    device_id: u64,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    links: u64,
    #[serde(borrow, default)]
    linktarget: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    linktarget_raw: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    extended_attributes: Option<Vec<RawXattr<'a>>>,
    #[serde(default)]
    device: u64,
    #[serde(default)]
    content: Option<Vec<Id>>,
    #[serde(default)]
    subtree: Option<Id>,
}

/// Reads one node; `None` when it makes no sense.
pub fn read(text: &str) -> Option<Node> {
    let raw: RawNode<'_> = serde_json::from_str(text).ok()?;
    raw.into_node(&mut LastNames::default())
}

#[derive(Deserialize)]
struct RawXattr<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
}

/// Owner names that were read last: neighbours mostly share them, and a name is kept once.
#[derive(Default)]
pub struct LastNames {
    user: Option<Arc<str>>,
    group: Option<Arc<str>>,
}

impl RawNode<'_> {
    /// Makes sense of the fields; `None` when one of them makes none.
    pub fn into_node(self, names: &mut LastNames) -> Option<Node> {
        let kind = kind_named(&self.kind)?;
        let target = match (self.linktarget_raw, self.linktarget) {
            (Some(raw), _) => Some(BASE64.decode(raw.as_bytes()).ok()?),
            (None, Some(text)) => Some(text.into_owned().into_bytes()),
            (None, None) => None,
        };
        let xattrs = self
            .extended_attributes
            .unwrap_or_default()
            .into_iter()
            .map(RawXattr::into_xattr);
        let metadata = Metadata {
            kind,
            mode: unix_mode(self.mode),
            uid: self.uid,
            gid: self.gid,
            user: share(&self.user, &mut names.user),
            group: share(&self.group, &mut names.group),
            mtime: moment(&self.mtime)?,
            atime: moment(&self.atime)?,
            ctime: moment(&self.ctime)?,
            size: self.size,
            inode: self.inode,
            device: self.device_id,
            links: self.links,
            rdev: self.device,
            link_target: target.map(|bytes| PathBuf::from(OsString::from_vec(bytes))),
            xattrs: xattrs.collect::<Option<_>>()?,
        };
        let name = OsString::from_vec(quote::unquote(&self.name)?);
        is_safe(&name).then_some(())?;
        Some(Node {
            name,
            metadata,
            content: self.content.unwrap_or_default(),
            subtree: self.subtree,
        })
    }
}

impl RawXattr<'_> {
    fn into_xattr(self) -> Option<Xattr> {
        let value = BASE64.decode(self.value.unwrap_or_default().as_bytes()).ok()?;
        Some(Xattr {
            name: OsString::from(self.name.into_owned()),
            value,
        })
    }
}

/// Whether it names something in its folder and nothing elsewhere.
fn is_safe(name: &OsString) -> bool {
    let bytes = name.as_encoded_bytes();
    !matches!(bytes, b"" | b"." | b"..") && !bytes.contains(&b'/') && !bytes.contains(&0)
}

fn moment(text: &str) -> Option<Timestamp> {
    if text.is_empty() {
        Some(Timestamp::default())
    } else {
        gotime::parse(text)
    }
}

fn share(name: &str, last: &mut Option<Arc<str>>) -> Option<Arc<str>> {
    if name.is_empty() {
        return None;
    }
    if last.as_deref() != Some(name) {
        *last = Some(Arc::from(name));
    }
    last.clone()
}
