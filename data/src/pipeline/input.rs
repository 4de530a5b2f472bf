//! What a network's input is: how a recording becomes rows of numbers.
//!
//! This is the preprocessing half of a model's contract. Training, batch
//! inference and the edge runtime all build their pipeline from it, so that a
//! row means the same everywhere.

use serde::{Deserialize, Serialize};

use crate::pipeline::beat_feature::BeatFeature;

/// How a beat is cut out of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The Kaggle heartbeat format: from an R peak over 1.2 RR intervals,
    /// min-max scaled, zero padded at the end.
    Kaggle,
    /// A fixed window around the fiducial point, streamed by
    /// [`crate::pipeline::Pipeline`].
    Window,
    /// A row of a table: cut and scaled by whoever made it.
    Table,
}

/// How amplitudes are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Each beat to `[0, 1]`, before padding.
    MinMax,
    /// Divided by a running estimate of the patient's QRS amplitude.
    RunningScale,
    /// As the table has it: every finite value.
    AsIs,
}

/// How far beyond its bounds rounding may carry a scaled value.
const ROUNDING: f32 = 1e-6;

impl Normalisation {
    /// Whether a value of a window can have been scaled in this way.
    pub fn allows(self, value: f32) -> bool {
        match self {
            Normalisation::MinMax => (-ROUNDING..=1.0 + ROUNDING).contains(&value),
            Normalisation::RunningScale | Normalisation::AsIs => value.is_finite(),
        }
    }

    /// The same in words, for messages.
    pub fn rule(self) -> &'static str {
        match self {
            Normalisation::MinMax => {
                "by the contract each beat is scaled to between 0, its lowest sample, and 1, its highest"
            }
            Normalisation::RunningScale | Normalisation::AsIs => {
                "by the contract every value is a finite number"
            }
        }
    }
}

/// How a recording becomes rows of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// How a beat is cut out.
    pub layout: Layout,
    /// Samples per second inside a window.
    pub fs: f64,
    /// Leads, in the order of the channels. Empty means any one lead, the
    /// record's first unless the user names another.
    pub leads: Vec<String>,
    /// Corner frequencies of the causal band-pass in Hz; `None` leaves the
    /// signal as it is.
    pub band: Option<[f64; 2]>,
    /// Window samples before the fiducial point.
    pub before: usize,
    /// Window samples from the fiducial point on.
    pub after: usize,
    /// How amplitudes are scaled.
    pub normalisation: Normalisation,
    /// Whether each lead has a second channel: the window minus the patient's
    /// running beat template.
    pub template: bool,
    /// Rhythm features, in the order of the `rhythm` input.
    pub rhythm: Vec<BeatFeature>,
}

impl InputSpec {
    /// The Kaggle heartbeat format: 187 samples.
    ///
    /// Its description says 125 Hz, but its rows are every third sample of
    /// recordings at 360 Hz, bit for bit (see [`crate::beat_files::kaggle_cut::from_record`]).
    pub fn kaggle() -> InputSpec {
        InputSpec {
            layout: Layout::Kaggle,
            fs: 120.0,
            leads: Vec::new(),
            band: None,
            before: 0,
            after: 187,
            normalisation: Normalisation::MinMax,
            template: false,
            rhythm: Vec::new(),
        }
    }

    /// Windows around the fiducial point of one lead, with the patient's
    /// template and every rhythm feature: half a second to each side at 128 Hz.
    pub fn window() -> InputSpec {
        InputSpec {
            layout: Layout::Window,
            fs: 128.0,
            leads: Vec::new(),
            band: Some([0.5, 40.0]),
            before: 64,
            after: 64,
            normalisation: Normalisation::RunningScale,
            template: true,
            rhythm: BeatFeature::ALL.to_vec(),
        }
    }

    /// Rows of a table of `length` samples at `fs` Hz, scaled each on its own.
    pub fn table(fs: f64, length: usize) -> InputSpec {
        InputSpec {
            layout: Layout::Table,
            fs,
            after: length,
            ..InputSpec::kaggle()
        }
    }

    /// Why a table's rows cannot be made into this input; `None` where they can.
    pub fn unfit_for_tables(&self) -> Option<&'static str> {
        let plain = self.lead_count() == 1
            && !self.template
            && self.rhythm.is_empty()
            && self.band.is_none()
            && self.before == 0
            && self.normalisation != Normalisation::RunningScale;
        let kaggle = InputSpec::kaggle();
        let published = self.after == kaggle.after
            && self.fs == kaggle.fs
            && self.normalisation == kaggle.normalisation;
        match (self.layout, plain) {
            (Layout::Kaggle, true) if !published => Some(
                "its layout is the Kaggle format, which has 187 samples of 120 Hz, min-max scaled; a table of others has the layout 'table'",
            ),
            (Layout::Window, _) => Some("it takes windows that are cut from recordings"),
            (_, false) => Some(
                "its layout is that of a table, which has one lead, no samples before the first, no band-pass, template or rhythm features, and the normalisation min-max or as-is",
            ),
            (_, true) => None,
        }
    }

    /// Leads read at once.
    pub fn lead_count(&self) -> usize {
        self.leads.len().max(1)
    }

    /// Channels of a window.
    pub fn channels(&self) -> usize {
        self.lead_count() * if self.template { 2 } else { 1 }
    }

    /// Samples per channel of a window.
    pub fn length(&self) -> usize {
        self.before + self.after
    }

    /// Values of a window over all channels.
    pub fn window_values(&self) -> usize {
        self.channels() * self.length()
    }
}
