//! Exit codes: what every command ends with, and how errors are said.

use std::process::ExitCode;

use engine_api::Error;
use jobs::Status;
use serde::Serialize;

use crate::output::Output;

/// The exit code of a status.
pub fn code(status: Status) -> ExitCode {
    ExitCode::from(status.code())
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    r#type: &'static str,
    kind: &'static str,
    code: u8,
    message: &'a str,
    hint: Option<String>,
}

/// Says what failed and what to try: two lines for people, or the last JSON line.
pub fn report(output: &Output, error: &Error) -> Status {
    let status = Status::from(error.kind());
    say(output, status, &error.chain(), error.hint());
    status
}

/// The same for what never became an [`Error`].
pub fn say(output: &Output, status: Status, message: &str, hint: Option<String>) {
    if output.is_json() {
        output.error_json(&ErrorLine {
            r#type: "error",
            kind: status.name(),
            code: status.code(),
            message,
            hint,
        });
        return;
    }
    output.complain(message);
    if let Some(hint) = hint {
        output.hint(&hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts rely on these numbers; docs/exit-codes.md has the same table.
    #[test]
    fn the_numbers_stay_and_are_documented() {
        let table = [
            (Status::Success, 0, "success"),
            (Status::Failed, 1, "failed"),
            (Status::Usage, 2, "usage"),
            (Status::Incomplete, 3, "incomplete"),
            (Status::NoRepository, 10, "no_repository"),
            (Status::Locked, 11, "locked"),
            (Status::WrongPassword, 12, "wrong_password"),
            (Status::Interrupted, 130, "interrupted"),
        ];
        assert_eq!(table.len(), Status::ALL.len());
        let page = include_str!("../../docs/exit-codes.md");
        for (status, number, name) in table {
            assert_eq!((status.code(), status.name()), (number, name));
            let row = format!("| {number} | `{name}` |");
            assert!(page.contains(&row), "{row} is not documented");
        }
    }
}
