//! Which figures are made of explained beats.

use data::pipeline::beats::Beats;
use data::pipeline::input::{InputSpec, Layout, Normalisation};
use models::Contract;

use super::activation_maximisation::Maximised;
use super::figure::{Bars, Cell, Figure, Trace};
use models::explain::methods::{Attributions, Method};
use report::waves::{own_waves, waves};

/// Methods that credit where the logit would change, not with what it is.
fn meaning(methods: &[Method]) -> &'static str {
    match methods {
        [Method::Gradient | Method::Smoothgrad] => {
            "Raising this value lowers (against) or raises (for) the class's logit"
        }
        _ => "Credit for the class's logit, as a part of the beat's largest",
    }
}

/// What the vertical axis of a channel shows.
fn axis(input: &InputSpec) -> &'static str {
    match input.normalisation {
        Normalisation::MinMax => "Amplitude (of the beat's range)",
        Normalisation::RunningScale => "Amplitude (QRS amplitudes)",
        Normalisation::AsIs => "Amplitude (as in the table)",
    }
}

/// What a channel is called.
fn channel_name(input: &InputSpec, channel: usize) -> String {
    let leads = input.lead_count();
    let lead = input.leads.get(channel % leads).cloned();
    let lead = lead.unwrap_or_else(|| "Beat".into());
    if channel < leads {
        lead
    } else {
        format!("{lead} minus the patient's template")
    }
}

/// Channel `channel` of a window as a chart without credit.
fn trace(input: &InputSpec, window: &[f32], channel: usize, title: String) -> Trace {
    let length = input.length();
    let values = window[channel * length..][..length].to_vec();
    // A padded end tells nothing and would halve the rest.
    let padding = match input.layout {
        Layout::Kaggle | Layout::Table => values.iter().rev().take_while(|v| **v == 0.0).count(),
        Layout::Window => 0,
    };
    let shown = (length - padding).max(2);
    Trace {
        title,
        axis: axis(input).into(),
        waves: own_waves(input),
        values: values[..shown].to_vec(),
        credit: Vec::new(),
        ghost: Vec::new(),
        fs: input.fs,
        origin: input.before,
        start: match input.layout {
            Layout::Table => "the start of the row",
            Layout::Kaggle | Layout::Window => "the R peak",
        },
    }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()))
}

/// One beat: a column per method, a row per channel, and a row of bars for
/// its rhythm features.
pub fn beat(
    contract: &Contract,
    methods: &[Method],
    beats: &Beats,
    credits: &[Attributions],
    row: usize,
    number: u64,
) -> Figure {
    let input = &contract.input;
    let (width, features) = (input.window_values(), input.rhythm.len());
    let part = |values: &'_ [f32], width: usize| values[row * width..(row + 1) * width].to_vec();
    let scales: Vec<f32> = credits
        .iter()
        .map(|c| largest(&part(&c.window, width)).max(largest(&part(&c.rhythm, features))))
        .collect();
    let mut rows = Vec::new();
    for channel in 0..input.channels() {
        let cells = methods.iter().zip(credits).zip(&scales);
        let cells = cells.map(|((method, credit), scale)| {
            let title = format!("{}: {}", channel_name(input, channel), method.name());
            let mut trace = trace(input, beats.window(row), channel, title);
            let channel_values = channel * input.length()..(channel + 1) * input.length();
            trace.waves = waves(input, &beats.window(row)[channel_values.clone()]);
            let credit = &part(&credit.window, width)[channel_values];
            let shown = credit.iter().take(trace.values.len());
            trace.credit = shown.map(|c| c / scale).collect();
            Cell::Trace(trace)
        });
        rows.push(cells.collect());
    }
    if features > 0 {
        let cells = methods.iter().zip(credits).zip(&scales);
        let cells = cells.map(|((method, credit), scale)| {
            let values = part(&credit.rhythm, features);
            let bars = input.rhythm.iter().zip(values);
            Cell::Bars(Bars {
                title: format!("Rhythm features: {}", method.name()),
                bars: bars
                    .map(|(f, v)| (f.name().to_owned(), v / scale))
                    .collect(),
            })
        });
        rows.push(cells.collect());
    }
    rows.extend(before(methods, credits, row));
    let class = credits.first().map_or(0, |c| c.targets[row] as usize);
    let label = beats.labels.get(row);
    let reference = label.map_or(String::new(), |&label| {
        format!(", reference class {}", contract.classes.name(label))
    });
    let place = beats.records.get(row).zip(beats.samples.get(row));
    let place = place.map_or(String::new(), |(record, sample)| {
        let name = &beats.record_names[*record as usize];
        match input.layout {
            Layout::Table => format!("patient {name}, row {sample}; "),
            Layout::Kaggle | Layout::Window => format!("record {name}, sample {sample}; "),
        }
    });
    let logits = credits
        .first()
        .map_or(Vec::new(), |c| part(&c.logits, contract.classes.len()));
    let logits = contract.classes.names().zip(logits);
    let logits: Vec<String> = logits.map(|(c, l)| format!("{c} {l:.2}")).collect();
    Figure {
        title: format!(
            "Beat {number}: what speaks for {}{reference}",
            contract.classes.name(class)
        ),
        subtitle: format!("{place}logits {}", logits.join(", ")),
        rows,
        scale: Some(meaning(methods)),
    }
}

/// Earlier beats that are shown, at most.
const SHOWN: usize = 16;

/// A row of bars for the beats before, as far as the model remembers any: the one
/// just before is called -1.
fn before(methods: &[Method], credits: &[Attributions], row: usize) -> Option<Vec<Cell>> {
    let cells = methods.iter().zip(credits).map(|(method, credit)| {
        let earlier = credit.earlier.get(row)?;
        let scale = largest(&earlier.credits);
        let shown = earlier.credits.iter().take(SHOWN).enumerate();
        let title = match earlier.credits.len() {
            0 => format!("No beat before: {}", method.name()),
            count => format!(
                "{} of {count} beats before, largest {scale:.2}: {}",
                count.min(SHOWN),
                method.name()
            ),
        };
        Some(Cell::Bars(Bars {
            title,
            bars: shown
                .map(|(back, credit)| (format!("-{}", back + 1), credit / scale))
                .collect(),
        }))
    });
    cells.collect()
}

/// Means over the beats of each class.
pub struct Atlas {
    input: InputSpec,
    method: Method,
    classes: Vec<(String, Mean)>,
}

#[derive(Clone, Default)]
struct Mean {
    beats: usize,
    window: Vec<f64>,
    credit: Vec<f64>,
}

impl Atlas {
    /// An atlas without beats.
    pub fn new(contract: &Contract, method: Method) -> Atlas {
        let width = contract.input.window_values();
        let empty = Mean {
            beats: 0,
            window: vec![0.0; width],
            credit: vec![0.0; width],
        };
        let classes = contract.classes.names();
        let classes = classes.map(|name| (name.to_owned(), empty.clone()));
        Atlas {
            input: contract.input.clone(),
            method,
            classes: classes.collect(),
        }
    }

    /// Adds beats under the class that they were explained for.
    pub fn add(&mut self, beats: &Beats, credit: &Attributions) {
        let width = self.input.window_values();
        for (row, target) in credit.targets.iter().enumerate() {
            let mean = &mut self.classes[*target as usize].1;
            mean.beats += 1;
            let add = |sum: &mut [f64], values: &[f32]| {
                sum.iter_mut()
                    .zip(values)
                    .for_each(|(s, v)| *s += f64::from(*v));
            };
            add(&mut mean.window, beats.window(row));
            add(&mut mean.credit, &credit.window[row * width..][..width]);
        }
    }

    /// The mean beat of every class that has one, coloured by its mean credit;
    /// `None` without beats.
    pub fn figure(&self) -> Option<Figure> {
        let present = self.classes.iter().filter(|(_, mean)| mean.beats > 0);
        let rows: Vec<Vec<Cell>> = present
            .map(|(class, mean)| {
                let share = |sums: &[f64]| -> Vec<f32> {
                    sums.iter()
                        .map(|s| (s / mean.beats as f64) as f32)
                        .collect()
                };
                let (window, credit) = (share(&mean.window), share(&mean.credit));
                let scale = largest(&credit);
                let channels = 0..self.input.channels();
                let cells = channels.map(|channel| {
                    let name = channel_name(&self.input, channel);
                    let title = format!("{class}, {} beats: {name}", mean.beats);
                    let mut trace = trace(&self.input, &window, channel, title);
                    let credit = &credit[channel * self.input.length()..];
                    let shown = credit.iter().take(trace.values.len());
                    trace.credit = shown.map(|c| c / scale).collect();
                    Cell::Trace(trace)
                });
                cells.collect()
            })
            .collect();
        (!rows.is_empty()).then(|| Figure {
            title: "Mean beat of every predicted class".into(),
            subtitle: format!("colour: mean {}", self.method.name()),
            rows,
            scale: Some(meaning(&[self.method])),
        })
    }
}

/// Maximised inputs: a row per input, the start in grey.
pub fn optimised(
    contract: &Contract,
    start: &Beats,
    classes: &[usize],
    found: &Maximised,
    from: &str,
) -> Figure {
    let input = &contract.input;
    let width = input.window_values();
    let rows = classes.iter().enumerate().map(|(row, &index)| {
        let class = contract.classes.name(index);
        let logit = |logits: &[f32]| logits[row * contract.classes.len() + index];
        let (before, after) = (logit(&found.before), logit(&found.after));
        let cells = (0..input.channels()).map(|channel| {
            let name = channel_name(input, channel);
            let title = format!("Towards {class}: logit {before:.1} to {after:.1} ({name})");
            let window = &found.rows.windows[row * width..][..width];
            let mut trace = trace(input, window, channel, title);
            let length = input.length();
            trace.ghost = start.window(row)[channel * length..][..trace.values.len()].to_vec();
            Cell::Trace(trace)
        });
        cells.collect()
    });
    Figure {
        title: "Inputs that the gradient finds for each class".into(),
        subtitle: format!("blue: found; grey: the start, {from}"),
        rows: rows.collect(),
        scale: None,
    }
}
