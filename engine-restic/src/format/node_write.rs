//! A node as JSON, byte for byte as restic writes it, so that equal folders are stored once whoever saved them.

use std::os::unix::ffi::OsStrExt;

use data_encoding::BASE64;
use engine_api::{EntryKind, Metadata};
use jiff::tz::TimeZone;

use super::node::{go_mode, kind_name};
use super::{Node, gotime, json, quote};

/// Appends the JSON of `node`, its times in `zone`.
pub fn write(node: &Node, zone: &TimeZone, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":\"");
    let mut name = Vec::with_capacity(node.name.len() + 8);
    quote::quote(node.name.as_bytes(), &mut name);
    json::string_part(&String::from_utf8_lossy(&name), out);
    out.extend_from_slice(b"\",\"type\":\"");
    out.extend_from_slice(kind_name(node.metadata.kind).as_bytes());
    out.push(b'"');
    write_metadata(&node.metadata, zone, out);
    write_attributes(&node.metadata, out);
    if node.metadata.rdev != 0 {
        json::number_field("device", node.metadata.rdev, out);
    }
    write_content(node, out);
    out.push(b'}');
}

fn write_metadata(metadata: &Metadata, zone: &TimeZone, out: &mut Vec<u8>) {
    optional_number("mode", u64::from(go_mode(metadata.kind, metadata.mode)), out);
    for (name, time) in [
        ("mtime", metadata.mtime),
        ("atime", metadata.atime),
        ("ctime", metadata.ctime),
    ] {
        json::field(name, out);
        out.push(b'"');
        gotime::format(time, zone, out);
        out.push(b'"');
    }
    json::number_field("uid", u64::from(metadata.uid), out);
    json::number_field("gid", u64::from(metadata.gid), out);
    for (name, value) in [("user", &metadata.user), ("group", &metadata.group)] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            json::field(name, out);
            json::string(value, out);
        }
    }
    optional_number("inode", metadata.inode, out);
    optional_number("device_id", metadata.device, out);
    optional_number("size", metadata.size, out);
    optional_number("links", metadata.links, out);
    write_link_target(metadata, out);
}

fn write_link_target(metadata: &Metadata, out: &mut Vec<u8>) {
    let Some(target) = metadata
        .link_target
        .as_ref()
        .filter(|target| !target.as_os_str().is_empty())
    else {
        return;
    };
    json::field("linktarget", out);
    json::string(&target.to_string_lossy(), out);
    if target.to_str().is_none() {
        json::field("linktarget_raw", out);
        base64(target.as_os_str().as_bytes(), out);
    }
}

fn write_attributes(metadata: &Metadata, out: &mut Vec<u8>) {
    if metadata.xattrs.is_empty() {
        return;
    }
    json::field("extended_attributes", out);
    let mut separator = b'[';
    for xattr in &metadata.xattrs {
        out.push(separator);
        separator = b',';
        out.extend_from_slice(b"{\"name\":");
        json::string(&xattr.name.to_string_lossy(), out);
        json::field("value", out);
        base64(&xattr.value, out);
        out.push(b'}');
    }
    out.push(b']');
}

fn write_content(node: &Node, out: &mut Vec<u8>) {
    json::field("content", out);
    if node.metadata.kind == EntryKind::File {
        let mut separator = &b"[\""[..];
        for id in &node.content {
            out.extend_from_slice(separator);
            separator = b"\",\"";
            id.write_hex(out);
        }
        out.extend_from_slice(if node.content.is_empty() { b"[]" } else { b"\"]" });
    } else {
        out.extend_from_slice(b"null");
    }
    if let Some(subtree) = &node.subtree {
        json::field("subtree", out);
        out.push(b'"');
        subtree.write_hex(out);
        out.push(b'"');
    }
}

fn optional_number(name: &str, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        json::number_field(name, value, out);
    }
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(BASE64.encode(bytes).as_bytes());
    out.push(b'"');
}
