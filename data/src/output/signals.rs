//! Signals that ask a program to end: SIGINT, SIGTERM and SIGHUP.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::temporary::discard_all;
use crate::record::error::{Error, Result};

/// The exit code of a program that a signal ended, as shells have it: 130 for
/// SIGINT, 143 for SIGTERM.
pub fn exit_code(signal: i32) -> u8 {
    128_u8.saturating_add(u8::try_from(signal).unwrap_or(0))
}

/// Lets signals end the program at once, without a leftover: for programs that
/// have nothing to save.
///
/// # Errors
/// As [`on_signals`].
pub fn end_on_signals() -> Result<()> {
    on_signals(|signal| end(signal))
}

/// Removes every temporary file and ends the program with the code of `signal`.
pub fn end(signal: i32) -> ! {
    discard_all();
    // Destructors of libraries must not run while other threads use them.
    signal_hook::low_level::exit(exit_code(signal).into())
}

/// Calls `act` with the number of each signal that asks the program to end, on
/// a thread of its own. Signals that the program's parent has switched off, as
/// `nohup` does, stay so.
///
/// # Errors
/// [`Error::Invalid`] when the system refuses to have them caught.
pub fn on_signals(act: impl FnMut(i32) + Send + 'static) -> Result<()> {
    let ignored = ignored();
    let caught = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = Signals::new(caught).map_err(|e| {
        Error::Invalid(format!(
            "the signals that end the program cannot be caught: {e}"
        ))
    })?;
    std::thread::spawn(move || signals.forever().for_each(act));
    Ok(())
}

/// A bit for each signal that this process ignores, as Linux tells.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
