//! The commands of `db` and `config`: what they print and whether they found what they were asked for.

mod change;
mod show;

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

use super::file::DatabaseFile;
use crate::error::Error;

/// What a command answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// To be printed as it is.
    pub output: Vec<u8>,
    /// Worth saying beside it, a sentence each.
    pub warnings: Vec<String>,
    /// Whether the command found, or did, what was asked: decides between exit codes 0 and 1.
    pub success: bool,
    /// Whether a property was to be changed of a record that is not there: no failure, but for who asks for strictness.
    pub missed: bool,
}

impl Answer {
    fn done() -> Self {
        Self::of(Vec::new(), true)
    }

    fn of(output: Vec<u8>, success: bool) -> Self {
        Self {
            output,
            warnings: Vec::new(),
            success,
            missed: false,
        }
    }

    fn with_warning(mut self, warning: Option<String>) -> Self {
        self.warnings.extend(warning);
        self
    }
}

/// Why a command could not be run.
#[derive(Debug)]
pub enum CommandError {
    /// It was called wrongly; the text says how it is called.
    Usage(String),
    /// The database could not be read or written, or cannot hold the value.
    Failed(Error),
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Outcome = Result<Answer, CommandError>;
type Handler = fn(&Call<'_>) -> Outcome;

/// A call of a command: the file, the arguments after the command's name, and standard input.
struct Call<'a> {
    file: &'a DatabaseFile,
    args: &'a [Vec<u8>],
    stdin: &'a dyn Fn() -> std::io::Result<Vec<u8>>,
}

impl Call<'_> {
    fn arg(&self, index: usize) -> &[u8] {
        self.args.get(index).map_or(&[], Vec::as_slice)
    }

    fn rest(&self, from: usize) -> &[Vec<u8>] {
        self.args.get(from..).unwrap_or_default()
    }

    /// The key to show, where it is optional; an empty one or `0` counts as not given.
    fn optional_key(&self) -> Option<&[u8]> {
        self.args.first().map(Vec::as_slice).filter(|key| is_given(key))
    }
}

fn is_given(argument: &[u8]) -> bool {
    !argument.is_empty() && argument != b"0"
}

struct Command {
    name: &'static str,
    /// The arguments as the usage shows them.
    arguments: &'static str,
    /// How many there must be at least.
    needed: usize,
    /// How many of those are keys or names, where an empty one or `0` counts as missing.
    names: usize,
    handler: Handler,
}

const fn command(
    name: &'static str,
    arguments: &'static str,
    needed: usize,
    names: usize,
    handler: Handler,
) -> Command {
    Command {
        name,
        arguments,
        needed,
        names,
        handler,
    }
}

const COMMANDS: &[Command] = &[
    command("keys", "", 0, 0, show::keys),
    command("print", "[key]", 0, 0, show::print),
    command("show", "[key]", 0, 0, show::show),
    command("get", "key", 1, 1, show::get),
    command("set", "key type [prop1 val1] [prop2 val2] ...", 2, 1, change::set),
    command(
        "setdefault",
        "key type [prop1 val1] [prop2 val2] ...",
        2,
        1,
        change::setdefault,
    ),
    command("setjson", "json_string|-", 1, 0, change::setjson),
    command("delete", "key", 1, 1, change::delete),
    command("printtype", "[key]", 0, 0, show::printtype),
    command("gettype", "key", 1, 1, show::gettype),
    command("settype", "key type", 2, 1, change::settype),
    command("printprop", "key [prop1] [prop2] [prop3] ...", 1, 1, show::printprop),
    command("getprop", "key prop", 2, 2, show::getprop),
    command(
        "setprop",
        "key prop1 val1 [prop2 val2] [prop3 val3] ...",
        3,
        2,
        change::setprop,
    ),
    command("delprop", "key prop1 [prop2] [prop3] ...", 2, 2, change::delprop),
    command("printjson", "[key]", 0, 0, show::printjson),
    command("getjson", "[key]", 0, 0, show::printjson),
    command("showjson", "[key]", 0, 0, show::showjson),
];

/// How the commands are called, `program` standing for `db DBFILE` or `config`.
#[must_use]
pub fn usage(program: &str) -> String {
    let lines = COMMANDS.iter().map(|command| line(program, command));
    format!("usage:\n{}", lines.collect::<String>())
}

fn line(program: &str, command: &Command) -> String {
    let blank = if command.arguments.is_empty() { "" } else { " " };
    format!("    {program} {}{blank}{}\n", command.name, command.arguments)
}

/// Runs the command that `words` begins with on `file`; `stdin` is read only where the command says so.
///
/// # Errors
/// When there is no such command, an argument is missing, or the database cannot be read or written.
pub fn run(file: &DatabaseFile, program: &str, words: Vec<OsString>, stdin: &dyn Fn() -> Box<dyn Read>) -> Outcome {
    let words: Vec<Vec<u8>> = words.into_iter().map(OsString::into_vec).collect();
    let Some((name, args)) = words.split_first() else {
        return Err(CommandError::Usage(usage(program)));
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name.as_bytes() == name) else {
        return Err(CommandError::Usage(usage(program)));
    };
    let named = args.iter().take(command.names).all(|argument| is_given(argument));
    if args.len() < command.needed || !named {
        return Err(CommandError::Usage(format!("usage:\n{}", line(program, command))));
    }
    let stdin = || {
        let mut text = Vec::new();
        stdin().read_to_end(&mut text).map(|_| text)
    };
    let call = Call {
        file,
        args,
        stdin: &stdin,
    };
    (command.handler)(&call).map_err(|error| match error {
        CommandError::Usage(problem) => CommandError::Usage(format!(
            "{}: {problem}\nusage:\n{}",
            command.name,
            line(program, command)
        )),
        failed @ CommandError::Failed(_) => failed,
    })
}
