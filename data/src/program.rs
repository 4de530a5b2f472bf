//! What the project's programs have in common: their exit codes, and how they
//! tell an error.
//!
//! | code | what it means |
//! |---|---|
//! | 0 | All was done. Also when the reader of standard output has seen enough. |
//! | 1 | Something failed, if only one recording of many. |
//! | 2 | The command line asks for what cannot be; nothing was begun. |
//! | 130 | Ctrl-C (SIGINT) or `train --stop-after` ended the run. |
//! | 143, 129 | SIGTERM or SIGHUP ended it: 128 and the signal's number. |
//!
//! `data`, `train`, `infer` and `embedded` end with these and no others.

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use crate::record::error::{causes, told};

/// The code of a run that failed.
pub const FAILED: u8 = 1;
/// The code of a command line that asks for what cannot be. clap has the same.
pub const USAGE: u8 = 2;
/// The code of a run that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;

/// The codes, for the end of every program's `--help`.
pub const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong command line, 130 interrupted (143 by SIGTERM)";

/// A command line that clap took and that asks for what cannot be: a value out
/// of range, or arguments that do not go together.
///
/// A library's error has it as its `source` and says the same words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Tells an error on standard error and gives the code to end with.
pub fn failed(error: &(dyn Error + 'static)) -> ExitCode {
    failed_code(error).into()
}

/// As [`failed`], the code as a number.
pub fn failed_code(error: &(dyn Error + 'static)) -> u8 {
    if is_broken_pipe(error) {
        return 0;
    }
    eprintln!("error: {}", told(error));
    match causes(error).any(|cause| cause.is::<Usage>()) {
        true => USAGE,
        false => FAILED,
    }
}

/// Whether the reader of a pipe went away, such as `head` that has seen enough:
/// for a program no failure.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("{0}")]
        Usage(#[source] Usage),
        #[error("out.csv")]
        Io(#[source] std::io::Error),
    }

    #[test]
    fn causes_follow_once() {
        let usage = Outer::Usage(Usage("--speed is 0".into()));
        assert_eq!(told(&usage), "--speed is 0");
        let full = std::io::Error::from(ErrorKind::StorageFull);
        let words = format!("out.csv: {full}");
        assert_eq!(told(&Outer::Io(full)), words);
    }

    #[test]
    fn codes_tell_what_happened() {
        let code = |error: Outer| format!("{:?}", failed(&error));
        let wanted = |code: u8| format!("{:?}", ExitCode::from(code));
        let io = |kind: ErrorKind| Outer::Io(kind.into());
        assert_eq!(code(Outer::Usage(Usage("no".into()))), wanted(USAGE));
        assert_eq!(code(io(ErrorKind::NotFound)), wanted(FAILED));
        assert_eq!(code(io(ErrorKind::BrokenPipe)), wanted(0));
    }
}
