//! A mail server that speaks enough of the protocol to be spoken to, on loopback, for as long as it lives.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::record::Security;

/// What it does.
#[derive(Clone)]
pub struct Manner {
    pub security: Security,
    /// The base64 of the one PLAIN login that it takes.
    pub login: Option<String>,
    /// The recipient that it does not take.
    pub unknown: Option<&'static str>,
    /// It says nothing more once it has read a line that begins so.
    pub silent_after: Option<&'static str>,
    /// It says this instead of its greeting.
    pub greeting: &'static str,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            security: Security::None,
            login: None,
            unknown: None,
            silent_after: None,
            greeting: "220 test",
        }
    }
}

/// A mail that it took.
#[derive(Debug)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
    pub encrypted: bool,
    pub login: bool,
}

pub struct MailServer {
    pub port: u16,
    pub taken: Receiver<Taken>,
    /// What was said on all connections.
    pub heard: Arc<Mutex<Vec<String>>>,
    /// Silent connections stay open until this goes.
    _stop: Sender<()>,
}

impl MailServer {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, taken) = channel();
        let (stop, stopped) = channel::<()>();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let words = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut kept, stream) = (None, stream.unwrap());
                let talk = Talk {
                    manner: &manner,
                    tell: &tell,
                    heard: &words,
                };
                if talk.begin(stream, &mut kept).is_err() && tell_is_gone(&stopped) {
                    return;
                }
                if kept.is_some() {
                    // The client has to give up by itself.
                    let _ = stopped.recv();
                    return;
                }
            }
        });
        Self {
            port,
            taken,
            heard,
            _stop: stop,
        }
    }

    pub fn heard(&self) -> String {
        self.heard.lock().unwrap().join("\n")
    }
}

fn tell_is_gone(stopped: &Receiver<()>) -> bool {
    matches!(stopped.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected))
}

struct Talk<'a> {
    manner: &'a Manner,
    tell: &'a Sender<Taken>,
    heard: &'a Mutex<Vec<String>>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

enum Next {
    Encrypt,
    Silence,
    Over,
}

impl Talk<'_> {
    fn begin(&self, stream: TcpStream, kept: &mut Option<TcpStream>) -> io::Result<()> {
        let plain = stream.try_clone()?;
        let next = if self.manner.security == Security::Tls {
            self.talk(&mut encrypted(plain), true, true)?
        } else {
            let mut plain = plain;
            match self.talk(&mut plain, false, true)? {
                Next::Encrypt => self.talk(&mut encrypted(plain), true, false)?,
                next => next,
            }
        };
        if matches!(next, Next::Silence) {
            *kept = Some(stream);
        }
        Ok(())
    }

    fn refuses(&self, recipient: &str) -> bool {
        self.manner.unknown.is_some_and(|unknown| recipient.contains(unknown))
    }

    fn talk(&self, stream: &mut dyn Stream, encrypted: bool, greet: bool) -> io::Result<Next> {
        let mut stream = BufReader::new(stream);
        if greet {
            say(&mut stream, self.manner.greeting)?;
        }
        let (mut from, mut to, mut login) = (String::new(), Vec::new(), false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(Next::Over);
            }
            let line = line.trim_end();
            self.heard.lock().unwrap().push(line.to_owned());
            if self.manner.silent_after.is_some_and(|word| line.starts_with(word)) {
                return Ok(Next::Silence);
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let answer = match word {
                "EHLO" if self.manner.security == Security::StartTls && !encrypted => "250-test\r\n250 STARTTLS",
                "EHLO" if self.manner.login.is_some() => "250-test\r\n250 AUTH PLAIN LOGIN",
                "EHLO" => "250 test",
                "STARTTLS" => {
                    say(&mut stream, "220 go on")?;
                    return Ok(Next::Encrypt);
                }
                "AUTH" => {
                    login = rest.strip_prefix("PLAIN ") == self.manner.login.as_deref();
                    if login { "235 welcome" } else { "535 5.7.8 wrong login" }
                }
                "MAIL" if self.manner.login.is_some() && !login => "530 5.7.0 log in first",
                "MAIL" => {
                    (from, to) = (rest.to_owned(), Vec::new());
                    "250 good"
                }
                "RCPT" if self.refuses(rest) => "550 5.1.1 nobody of that name",
                "RCPT" => {
                    to.push(rest.to_owned());
                    "250 good"
                }
                "DATA" => {
                    say(&mut stream, "354 go on")?;
                    let text = content(&mut stream)?;
                    let (from, to) = (from.clone(), to.clone());
                    let _ = self.tell.send(Taken {
                        from,
                        to,
                        text,
                        encrypted,
                        login,
                    });
                    "250 taken"
                }
                "QUIT" => {
                    say(&mut stream, "221 bye")?;
                    return Ok(Next::Over);
                }
                _ => "502 what?",
            };
            say(&mut stream, answer)?;
        }
    }
}

fn say(stream: &mut BufReader<&mut dyn Stream>, text: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes())?;
    stream.get_mut().flush()
}

fn content(stream: &mut BufReader<&mut dyn Stream>) -> io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn encrypted(stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream)
}
