use std::io::BufRead;
use std::ops::ControlFlow;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::Failure;

/// No answer that makes sense nests deeper, or has longer words.
const DEPTH: usize = 64;
const WORD: usize = 64 << 10;

/// One end of an element; the path is that of the local names down to it, each with a slash before it.
pub(crate) enum Node<'a> {
    Start(&'a str),
    /// With the text since the last start or end.
    End(&'a str, &'a str),
}

/// Reads a document from its beginning and hands over the ends of its elements, until `each` has enough of it.
pub(crate) fn walk(
    source: impl BufRead,
    mut each: impl FnMut(Node<'_>) -> Result<ControlFlow<()>, Failure>,
) -> Result<ControlFlow<()>, Failure> {
    let mut reader = Reader::from_reader(source);
    let mut buffer = Vec::new();
    let mut path = Path::default();
    let mut text = Vec::new();
    loop {
        buffer.clear();
        let mut flow = ControlFlow::Continue(());
        match reader.read_event_into(&mut buffer).map_err(nonsense)? {
            Event::Start(start) => {
                path.push(start.local_name().as_ref())?;
                text.clear();
                flow = each(Node::Start(&path.text))?;
            }
            Event::Empty(start) => {
                path.push(start.local_name().as_ref())?;
                if each(Node::Start(&path.text))?.is_break() || each(Node::End(&path.text, ""))?.is_break() {
                    flow = ControlFlow::Break(());
                }
                path.pop();
            }
            Event::Text(piece) => add(&mut text, &piece)?,
            Event::CData(piece) => add(&mut text, &piece)?,
            Event::GeneralRef(name) => add(&mut text, &entity(&name)?)?,
            Event::End(_) => {
                flow = each(Node::End(&path.text, &String::from_utf8_lossy(&text)))?;
                path.pop();
                text.clear();
            }
            Event::Eof if path.text.is_empty() => return Ok(flow),
            Event::Eof => return Err(Failure::Nonsense("the server's answer is cut off".to_owned())),
            _ => {}
        }
        if flow.is_break() {
            return Ok(flow);
        }
    }
}

#[derive(Default)]
struct Path {
    text: String,
}

impl Path {
    fn push(&mut self, name: &[u8]) -> Result<(), Failure> {
        if self.text.matches('/').count() >= DEPTH || self.text.len() + name.len() > WORD {
            return Err(Failure::Nonsense("the server's answer is nested too deeply".to_owned()));
        }
        self.text.push('/');
        self.text.push_str(&String::from_utf8_lossy(name));
        Ok(())
    }

    fn pop(&mut self) {
        let slash = self.text.rfind('/').unwrap_or(0);
        self.text.truncate(slash);
    }
}

fn add(text: &mut Vec<u8>, piece: &[u8]) -> Result<(), Failure> {
    if text.len() + piece.len() > WORD {
        return Err(Failure::Nonsense("the server's answer has too long a word".to_owned()));
    }
    text.extend_from_slice(piece);
    Ok(())
}

/// What `&name;` stands for.
fn entity(name: &[u8]) -> Result<Vec<u8>, Failure> {
    let name = String::from_utf8_lossy(name);
    let number = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => number.parse().ok(),
        },
        None => None,
    };
    let character = match name.as_ref() {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => number.and_then(char::from_u32),
    };
    match character {
        Some(character) => Ok(character.to_string().into_bytes()),
        None => Err(Failure::Nonsense(format!(
            "the server's answer has an unknown entity {name:?}"
        ))),
    }
}

fn nonsense(error: quick_xml::Error) -> Failure {
    match error {
        quick_xml::Error::Io(error) => std::io::Error::new(error.kind(), error).into(),
        other => Failure::Nonsense(format!("the server's answer cannot be read ({other})")),
    }
}

/// The texts of the elements whose paths end so, of the first of each; a document that cannot be read has none.
pub(crate) fn texts<const N: usize>(document: &str, paths: [&str; N]) -> [String; N] {
    let mut found = [const { String::new() }; N];
    let _ = walk(document.as_bytes(), |node| {
        if let Node::End(path, text) = node {
            for (wanted, slot) in paths.iter().zip(&mut found) {
                if path.ends_with(wanted) && slot.is_empty() {
                    text.trim().clone_into(slot);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    });
    found
}
