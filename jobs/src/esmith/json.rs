//! Records as JSON, in the shapes and the layout that callers of the original commands parse.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::record::Record;

/// A record with its key, as `{"name":…,"type":…,"props":{…}}`; `props` is left out when there are none.
pub struct Named<'a> {
    pub key: &'a [u8],
    pub record: &'a Record,
}

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("record", 3)?;
        object.serialize_field("name", &text(self.key))?;
        object.serialize_field("type", &text(&self.record.kind))?;
        if !self.record.props.is_empty() {
            object.serialize_field("props", &Props(self.record))?;
        }
        object.end()
    }
}

struct Props<'a>(&'a Record);

impl Serialize for Props<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.props.len()))?;
        for (name, value) in &self.0.props {
            map.serialize_entry(&text(name), &text(value))?;
        }
        map.end()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// On one line, without a final line break.
pub fn compact(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Indented by three blanks, with a blank before each colon.
pub fn indented(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    let formatter = Spaced(PrettyFormatter::with_indent(b"   "));
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    match value.serialize(&mut serializer) {
        Ok(()) => out,
        Err(_) => Vec::new(),
    }
}

struct Spaced(PrettyFormatter<'static>);

impl Formatter for Spaced {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" : ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// The records of a text: one object or an array of them.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(text: &[u8]) -> Result<Vec<(Vec<u8>, Record)>, String> {
    match serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"))? {
        Value::Array(items) => items.iter().map(named).collect(),
        item => Ok(vec![named(&item)?]),
    }
}

fn named(item: &Value) -> Result<(Vec<u8>, Record), String> {
    let object = item.as_object().ok_or("every record must be an object")?;
    let name = object.get("name").ok_or("a record has no `name`")?;
    let name = scalar("name", name)?;
    let kind = object.get("type").map_or(Ok(Vec::new()), |kind| scalar("type", kind))?;
    let mut record = Record::of_kind(kind);
    let props = object.get("props").filter(|props| !props.is_null());
    let props = props.map(|props| props.as_object().ok_or("`props` must be an object"));
    for (name, value) in props.transpose()?.into_iter().flatten() {
        record.props.insert(name.clone().into_bytes(), scalar(name, value)?);
    }
    Ok((name, record))
}

fn scalar(name: &str, value: &Value) -> Result<Vec<u8>, String> {
    match value {
        Value::String(text) => Ok(text.clone().into_bytes()),
        Value::Number(number) => Ok(number.to_string().into_bytes()),
        Value::Null => Ok(Vec::new()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(format!("`{name}` must be a text or a number")),
    }
}
