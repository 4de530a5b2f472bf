//! What a run shows while it goes: a bar on a terminal, a line per epoch
//! everywhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use data::Classes;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::state::Epoch;

/// Without a terminal, a line about a long epoch comes so often.
const PAUSE: Duration = Duration::from_secs(30);

/// Shows a run's progress on standard error.
pub struct Progress {
    epochs: usize,
    classes: Classes,
    bar: Option<ProgressBar>,
    /// The epoch under way, its steps, and when something was last said of it.
    epoch: usize,
    steps: usize,
    said: Instant,
}

/// Says that recordings are read, and counts them on a terminal.
pub fn reading(records: usize, from: &str) -> ProgressBar {
    eprintln!("reading {records} records of {from}");
    let bar = ProgressBar::new(records as u64);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} records, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

impl Progress {
    /// Of a run of so many epochs over beats of these classes.
    pub fn new(epochs: usize, classes: &Classes) -> Progress {
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
            epochs,
            classes: classes.clone(),
            bar,
            epoch: 0,
            steps: 0,
            said: Instant::now(),
        }
    }

    /// An epoch of so many steps begins.
    pub fn begin(&mut self, epoch: usize, steps: usize) {
        (self.epoch, self.steps, self.said) = (epoch, steps, Instant::now());
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(steps as u64);
            bar.set_message(format!("epoch {epoch}/{}", self.epochs));
            bar.enable_steady_tick(Duration::from_millis(500));
        }
    }

    /// So many steps of the epoch are done.
    pub fn step(&mut self, done: usize) {
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if self.said.elapsed() >= PAUSE => {
                eprintln!(
                    "epoch {}/{}  {done}/{} steps",
                    self.epoch, self.epochs, self.steps
                );
                self.said = Instant::now();
            }
            None => {}
        }
    }

    /// The last of these epochs is done.
    pub fn end(&mut self, history: &[Epoch]) {
        let Some(epoch) = history.last() else {
            return;
        };
        let figures = &epoch.validation;
        let named = self.classes.names().zip(&figures.f1);
        let by_class: Vec<String> = named.map(|(c, f1)| format!("{c} {f1:.3}")).collect();
        let line = format!(
            "epoch {}/{}  train loss {:.4}  validation loss {:.4} accuracy {:.4} macro-F1 {:.4} ({})  {:.0} beats/s{}",
            epoch.epoch,
            self.epochs,
            epoch.train_loss,
            figures.loss,
            figures.accuracy,
            figures.macro_f1,
            by_class.join(" "),
            epoch.beats_per_second,
            if epoch.best { "  best" } else { "" }
        );
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}
