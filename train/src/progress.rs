//! What a run shows while it goes: a bar on a terminal, a line per epoch
//! everywhere.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use data::Classes;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::settings::{Monitor, Settings};
use crate::state::Epoch;

/// Without a terminal, a line about a long epoch comes so often.
const PAUSE: Duration = Duration::from_secs(30);

/// Shows a run's progress on standard error.
pub struct Progress {
    epochs: usize,
    /// Whether the best epoch is told: the last one needs no word.
    tells_best: bool,
    classes: Classes,
    bar: Option<ProgressBar>,
    /// The epoch under way, its steps, and when something was last said of it.
    epoch: usize,
    steps: usize,
    said: Instant,
    /// When this program began the epoch, and the steps that were done before.
    began: Instant,
    first: usize,
}

/// Recordings that are read, by several threads.
pub struct Reading {
    bar: ProgressBar,
    records: usize,
    began: Instant,
    /// How many are read, and when that was last said.
    said: Mutex<(usize, Instant)>,
}

/// Says that recordings are read, and counts them.
pub fn reading(records: usize, from: &str) -> Reading {
    eprintln!("reading {records} records of {from}");
    let bar = ProgressBar::new(records as u64);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} records, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let began = Instant::now();
    Reading {
        bar,
        records,
        began,
        said: Mutex::new((0, began)),
    }
}

impl Reading {
    /// One record more is read.
    pub fn one_more(&self) {
        self.bar.inc(1);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.0 += 1;
        if self.bar.is_hidden() && said.1.elapsed() >= PAUSE {
            said.1 = Instant::now();
            let left = left(self.began.elapsed(), said.0, self.records);
            eprintln!("{}/{} records, {left}", said.0, self.records);
        }
    }

    /// All are read.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How long the rest of `all` will take when `done` took `spent`, in words.
pub(crate) fn left(spent: Duration, done: usize, all: usize) -> String {
    let rest = all.saturating_sub(done) as f64 / done.max(1) as f64;
    // As the bar on a terminal has it.
    format!("{} left", HumanDuration(spent.mul_f64(rest)))
}

impl Progress {
    /// Of a run with these settings.
    pub fn new(settings: &Settings) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(5));
            let style =
                ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} steps, {eta} left");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        Progress {
            epochs: settings.epochs,
            tells_best: settings.monitor != Monitor::Last,
            classes: settings.classes.clone(),
            bar,
            epoch: 0,
            steps: 0,
            said: Instant::now(),
            began: Instant::now(),
            first: 0,
        }
    }

    /// An epoch of so many steps begins, or goes on after the `first` of them.
    pub fn begin(&mut self, epoch: usize, steps: usize, first: usize) {
        (self.epoch, self.steps, self.first) = (epoch, steps, first);
        (self.said, self.began) = (Instant::now(), Instant::now());
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(steps as u64);
            bar.set_position(first as u64);
            bar.reset_eta();
            bar.set_message(format!("epoch {epoch}/{}", self.epochs));
            bar.enable_steady_tick(Duration::from_millis(500));
        }
    }

    /// So many steps of the epoch are done.
    pub fn step(&mut self, done: usize) {
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if self.said.elapsed() >= PAUSE => {
                let taken = done.saturating_sub(self.first);
                let left = left(self.began.elapsed(), taken, taken + self.steps - done);
                eprintln!(
                    "epoch {}/{}  {done}/{} steps, {left}",
                    self.epoch, self.epochs, self.steps
                );
                self.said = Instant::now();
            }
            None => {}
        }
    }

    /// The last of these epochs is done.
    pub fn end(&mut self, history: &[Epoch]) {
        if let Some(epoch) = history.last() {
            let line = self.told(epoch);
            match &self.bar {
                Some(bar) => bar.suspend(|| eprintln!("{line}")),
                None => eprintln!("{line}"),
            }
        }
    }

    /// What an epoch came to.
    fn told(&self, epoch: &Epoch) -> String {
        let figures = &epoch.validation;
        let named = self.classes.names().zip(&figures.f1);
        let by_class: Vec<String> = named.map(|(c, f1)| format!("{c} {f1:.3}")).collect();
        format!(
            "epoch {}/{}  train loss {:.4}  validation loss {:.4} accuracy {:.4} macro-F1 {:.4} ({})  {:.0} beats/s{}",
            epoch.epoch,
            self.epochs,
            epoch.train_loss,
            figures.loss,
            figures.accuracy,
            figures.macro_f1,
            by_class.join(" "),
            epoch.beats_per_second,
            match epoch.best && self.tells_best {
                true => "  best",
                false => "",
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        let spent = Duration::from_secs(30);
        assert_eq!(left(spent, 10, 70), "3 minutes left");
        assert_eq!(left(spent, 70, 70), "0 seconds left");
    }
}
