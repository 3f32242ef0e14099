//! From the bytes of a pattern to its tokens.

use crate::Error;

/// A set of byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSet([u128; 2]);

impl ByteSet {
    const EMPTY: Self = Self([0; 2]);

    pub(super) fn one(byte: u8) -> Self {
        let mut set = Self::EMPTY;
        set.insert(byte);
        set
    }

    /// Everything that can stand in a name.
    fn name() -> Self {
        Self::EMPTY.complement_in_name()
    }

    fn insert(&mut self, byte: u8) {
        let [low, high] = &mut self.0;
        let half = if byte < 128 { low } else { high };
        *half |= 1 << (byte & 127);
    }

    fn remove(&mut self, byte: u8) {
        let [low, high] = &mut self.0;
        let half = if byte < 128 { low } else { high };
        *half &= !(1 << (byte & 127));
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        let [low, high] = self.0;
        let half = if byte < 128 { low } else { high };
        half >> (byte & 127) & 1 == 1
    }

    fn complement_in_name(self) -> Self {
        let [low, high] = self.0;
        Self([!low, !high]).in_name()
    }

    fn in_name(mut self) -> Self {
        self.remove(b'/');
        self
    }

    fn ignoring_case(mut self) -> Self {
        for letter in b'a'..=b'z' {
            let capital = letter.to_ascii_uppercase();
            if self.contains(letter) || self.contains(capital) {
                self.insert(letter);
                self.insert(capital);
            }
        }
        self
    }
}

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// One byte of these.
    Byte(ByteSet),
    /// `*`: any run without a slash.
    Run,
    /// `**`: any run.
    Any,
    /// `**/` after a slash: any number of whole folders.
    Folders,
}

/// A pattern in steps, to be compared with absolute paths; the root itself is the empty path.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) tokens: Vec<Token>,
    pub(super) only_folders: bool,
}

pub(super) fn parse(pattern: &[u8], ignore_case: bool) -> Result<Parsed, Error> {
    let refuse = |reason| Error::Pattern {
        pattern: String::from_utf8_lossy(pattern).into_owned(),
        reason,
    };
    if pattern.is_empty() {
        return Err(refuse("it is empty"));
    }
    if pattern.contains(&0) {
        return Err(refuse("it holds a NUL byte, which no name can hold"));
    }
    let mut tokens = Vec::new();
    if !pattern.starts_with(b"/") {
        tokens.push(Token::Any);
    }
    let mut components = pattern
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
        .peekable();
    while let Some(component) = components.next() {
        if tokens.last() != Some(&Token::Folders) {
            tokens.push(Token::Byte(ByteSet::one(b'/')));
        }
        if is_any(component) && components.peek().is_some() {
            push(&mut tokens, Token::Folders);
        } else {
            parse_component(component, ignore_case, &mut tokens);
        }
    }
    Ok(Parsed {
        tokens,
        only_folders: pattern.ends_with(b"/"),
    })
}

fn is_any(component: &[u8]) -> bool {
    component.len() > 1 && component.iter().all(|&byte| byte == b'*')
}

/// Neighbouring wildcards are one, so that what follows a wildcard is always a byte.
fn push(tokens: &mut Vec<Token>, token: Token) {
    match (tokens.last_mut(), token) {
        (Some(last @ (Token::Run | Token::Any)), Token::Run | Token::Any) => {
            if token == Token::Any {
                *last = token;
            }
        }
        (Some(Token::Folders), Token::Folders) => {}
        _ => tokens.push(token),
    }
}

fn parse_component(component: &[u8], ignore_case: bool, tokens: &mut Vec<Token>) {
    let fold = |set: ByteSet| if ignore_case { set.ignoring_case() } else { set };
    let mut rest = component;
    while let Some((&byte, after)) = rest.split_first() {
        let (token, tail) = match (byte, after) {
            (b'*', [b'*', tail @ ..]) => (Token::Any, tail),
            (b'*', _) => (Token::Run, after),
            (b'?', _) => (Token::Byte(ByteSet::name()), after),
            (b'[', _) => match parse_set(after) {
                Some((set, true, tail)) => (Token::Byte(fold(set).complement_in_name()), tail),
                Some((set, false, tail)) => (Token::Byte(fold(set).in_name()), tail),
                None => (Token::Byte(ByteSet::one(b'[')), after),
            },
            (b'\\', [next @ (b'*' | b'?' | b'[' | b'\\' | b'#'), tail @ ..]) => {
                (Token::Byte(ByteSet::one(*next)), tail)
            }
            _ => (Token::Byte(fold(ByteSet::one(byte))), after),
        };
        push(tokens, token);
        rest = tail;
    }
}

/// The set after a `[`, whether it is negated, and what follows its `]`; `None` when there is no `]`.
fn parse_set(after: &[u8]) -> Option<(ByteSet, bool, &[u8])> {
    let (negated, mut rest) = match after {
        [b'!' | b'^', tail @ ..] => (true, tail),
        _ => (false, after),
    };
    let mut set = ByteSet::EMPTY;
    let mut first = true;
    loop {
        rest = match rest {
            [b']', tail @ ..] if !first => return Some((set, negated, tail)),
            [low, b'-', high, tail @ ..] if *high != b']' => {
                (*low..=*high).for_each(|byte| set.insert(byte));
                tail
            }
            [byte, tail @ ..] => {
                set.insert(*byte);
                tail
            }
            [] => return None,
        };
        first = false;
    }
}
