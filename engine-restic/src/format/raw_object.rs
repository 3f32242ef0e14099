//! A JSON object whose fields can be replaced while every other stays as it is, byte for byte.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json;

/// The fields of an object, in order, each as the text it was.
#[derive(Debug, Clone)]
pub struct RawObject<'a> {
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl RawObject<'_> {
    /// Gives the field this JSON text, in its place, or at the end when it was not there.
    pub fn set(&mut self, name: &'static str, text: String) {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some((_, value)) => *value = Cow::Owned(text),
            None => self.fields.push((Cow::Borrowed(name), Cow::Owned(text))),
        }
    }

    /// The JSON text of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_ref())
    }

    /// Appends the object.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut separator = b'{';
        for (name, value) in &self.fields {
            out.push(separator);
            separator = b',';
            json::string(name, out);
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(if self.fields.is_empty() { b"{}" } else { b"}" });
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    fields.push((name, Cow::Borrowed(value.get())));
                }
                Ok(RawObject { fields })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_what_is_set_stays() {
        let text = r#"{"b":[1, 2],"é\u0001":{"x":1e3},"a":null}"#;
        let mut object: RawObject<'_> = serde_json::from_str(text).unwrap();
        let mut out = Vec::new();
        object.write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), text);
        object.set("a", "5".to_owned());
        object.set("new", "\"y\"".to_owned());
        assert_eq!(object.get("a"), Some("5"));
        out.clear();
        object.write(&mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"b":[1, 2],"é\u0001":{"x":1e3},"a":5,"new":"y"}"#
        );
    }
}
