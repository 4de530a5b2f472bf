//! Labelled beats, Holter numbers and credits to one self-contained page.
//!
//! [`Labelled`] holds the beats of a recording with their classes,
//! [`findings`](findings::findings) chooses the stretches that matter,
//! [`gather`](signal::gather) reads their signal, [`Making`] puts it together, and
//! [`Report`] becomes a page ([`Report::html`]) or the same content as JSON
//! ([`Report::json`]). A model that classifies and explains beats is an [`Engine`]:
//! no inference runtime is known here.
//!
//! Research software, not a medical device.

mod beats;
mod charts;
mod clock;
mod colours;
pub mod credits;
mod engine;
mod error;
pub mod findings;
mod json;
mod kept;
pub mod labelled;
mod make;
mod page;
pub mod predictions;
pub mod reason;
pub mod signal;
mod strip;
pub mod waves;
mod words;

pub use beats::{Beat, BeatLog};
pub use clock::Clock;
pub use engine::{Chunks, Engine};
pub use error::{Error, Result};
pub use labelled::Labelled;
pub use make::{Making, Source};
pub use page::{SCRIPT, fingerprint};
pub use strip::{Credit, Strip};

use data::holter::Summary;
use data::record::Start;
use data::record::annotation::Annotation;
use serde::Serialize;

use crate::signal::{Envelope, MeanBeat};

/// Who gave the beats their classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// A model.
    Model {
        /// The name of its file.
        name: String,
        /// Its recipe, such as `inter-patient`.
        recipe: String,
        /// What it learnt from, in words.
        data: String,
        /// SHA-256 of its contract, in hexadecimal.
        contract_sha256: String,
        /// The probability below which a beat is left to a human.
        reject_threshold: f64,
    },
    /// An annotation file.
    Annotations {
        /// Its name.
        name: String,
    },
}

/// What the recording is called, and what was done with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subject {
    /// The recording's name.
    pub record: String,
    /// The lead that was read.
    pub lead: String,
    /// SHA-256 of the recording's files, in hexadecimal.
    pub sha256: String,
    /// When it began, where it says so.
    pub start: Option<Start>,
    /// Who gave the beats their classes.
    pub labels: Labels,
    /// The program and its version.
    pub program: String,
    /// What is doubtful, for the reader.
    pub remarks: Vec<String>,
}

/// Everything that the page shows.
#[derive(Clone, Debug)]
pub struct Report {
    /// The recording.
    pub subject: Subject,
    /// Its beats.
    pub log: BeatLog,
    /// What is noted beside the beats: episodes and unreadable stretches.
    pub notes: Vec<Annotation>,
    /// What an annotation file of the recording begins with, for corrections: see
    /// [`data::formats::Clock::preamble`].
    pub preamble: Vec<u8>,
    /// The numbers.
    pub summary: Summary,
    /// The stretches that matter, in the order of the page.
    pub strips: Vec<Strip>,
    /// The mean beat of each class.
    pub means: Vec<MeanBeat>,
    /// The whole signal, for the full disclosure.
    pub envelope: Envelope,
}
