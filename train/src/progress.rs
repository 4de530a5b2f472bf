//! What a run shows while it goes: a bar on a terminal, a line per epoch
//! everywhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use data::Class;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::state::Epoch;

/// Shows a run's progress on standard error.
pub struct Progress {
    epochs: usize,
    bar: Option<ProgressBar>,
    beats: usize,
    started: Instant,
}

impl Progress {
    /// Of a run of so many epochs.
    pub fn new(epochs: usize) -> Progress {
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
            bar,
            beats: 0,
            started: Instant::now(),
        }
    }

    /// An epoch of so many steps begins.
    pub fn begin(&mut self, epoch: usize, steps: usize) {
        (self.beats, self.started) = (0, Instant::now());
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(steps as u64);
            bar.set_message(format!("epoch {epoch}/{}", self.epochs));
            bar.enable_steady_tick(Duration::from_millis(500));
        }
    }

    /// So many steps of the epoch are done, the last with so many beats.
    pub fn step(&mut self, steps: usize, beats: usize) {
        self.beats += beats;
        if let Some(bar) = &self.bar {
            bar.set_position(steps as u64);
        }
    }

    /// The last of these epochs is done.
    pub fn end(&mut self, history: &[Epoch]) {
        let Some(epoch) = history.last() else {
            return;
        };
        let figures = &epoch.validation;
        let by_class: Vec<String> = Class::ALL
            .iter()
            .map(|c| format!("{c} {:.3}", figures.f1[c.index()]))
            .collect();
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
