//! How far a long task is, for those who wait.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// How often a line on a terminal is drawn anew.
const REDRAWN: Duration = Duration::from_millis(200);
/// How often a log gets a line.
const LOGGED: Duration = Duration::from_secs(10);

/// A line on standard error that counts beats. On a terminal it is redrawn in
/// place and goes away in the end; in a log there is one every ten seconds.
pub struct Progress {
    done: &'static str,
    beats: usize,
    started: Instant,
    told: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Nothing is done yet; `done` says what beats will be, such as "explained".
    pub fn new(done: &'static str) -> Progress {
        let now = Instant::now();
        Progress {
            done,
            beats: 0,
            started: now,
            told: now,
            terminal: stderr().is_terminal(),
            shown: false,
        }
    }

    /// So many beats more are done.
    pub fn add(&mut self, beats: usize) {
        self.beats += beats;
        let pause = if self.terminal { REDRAWN } else { LOGGED };
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let line = self.line(self.started.elapsed());
        if self.terminal {
            self.shown = true;
            eprint!("\r{line}\x1b[K");
            let _ = stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    /// Takes a line on a terminal away, for others to come.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\x1b[K");
        }
    }

    /// Beats, and beats per second.
    pub fn line(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        format!(
            "{} beats {} in {seconds:.2} s ({:.0} beats/s)",
            self.beats,
            self.done,
            self.beats as f64 / seconds
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_many_and_how_fast() {
        let mut progress = Progress::new("explained");
        progress.add(64);
        progress.add(36);
        let line = progress.line(Duration::from_secs(2));
        assert_eq!(line, "100 beats explained in 2.00 s (50 beats/s)");
    }
}
