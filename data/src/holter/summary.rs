//! What a recording comes to: the structure that [`crate::holter::Holter`] fills.
//!
//! Moments are given twice, in samples of the recording's rate and in seconds
//! from its first sample. Durations are in seconds, rates in beats per minute,
//! parts in per cent, and measures of heart-rate variability in milliseconds.

use serde::Serialize;

use crate::holter::options::Options;
use crate::record::Start;

/// The numbers of one recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Samples per second, in which every `sample` is counted.
    pub fs: f64,
    /// When the first sample was taken, where the recording says so.
    pub start: Option<Start>,
    /// The limits that the numbers go by.
    pub options: Options,
    /// How long it is, and how much of it could be analysed.
    pub time: RecordedTime,
    /// Beats by class.
    pub beats: BeatCounts,
    /// Heart rate by all beats.
    pub heart_rate: HeartRate,
    /// Ventricular ectopic beats.
    pub ventricular: Ectopy,
    /// Supraventricular ectopic beats.
    pub supraventricular: Ectopy,
    /// Ventricular beats near the T wave of a beat that is not ventricular.
    pub r_on_t: ROnT,
    /// Every second beat is ventricular.
    pub bigeminy: Episodes,
    /// Every third beat is ventricular.
    pub trigeminy: Episodes,
    /// RR intervals of at least the limit.
    pub pauses: Episodes,
    /// Stretches below the limit of the rate; their extreme is the slowest rate. As
    /// everywhere in the project they go by [`crate::episodes::RhythmWatch`], whose
    /// mean over a few intervals has silences in it, which [`HeartRate`] leaves out.
    pub bradycardia: Episodes,
    /// Stretches above the limit of the rate; their extreme is the fastest rate.
    pub tachycardia: Episodes,
    /// Stretches without a beat in a signal that could be read.
    pub no_beats: Episodes,
    /// Ventricular fibrillation or flutter.
    pub ventricular_fibrillation: Episodes,
    /// Ventricular tachycardia by the shape of the signal or by a rhythm note.
    /// Runs of beats that are labelled V are in [`Summary::ventricular`].
    pub ventricular_tachycardia: Episodes,
    /// Stretches without electrical activity.
    pub asystole: Episodes,
    /// Atrial fibrillation; `None` where neither a model nor a note tells of it.
    pub atrial_fibrillation: Option<AtrialFibrillation>,
    /// Variability of the normal-to-normal intervals.
    pub hrv: Hrv,
    /// A row per hour from the first sample on; the last may be shorter.
    pub hours: Vec<Hour>,
    /// Columns with a value per minute from the first sample on.
    pub minutes: Minutes,
}

/// A moment of the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Time {
    /// Samples from the first one, which is number 0.
    pub sample: u64,
    /// Seconds from the first sample.
    pub seconds: f64,
}

/// How long the recording is, and how much of it could be analysed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RecordedTime {
    /// From the first sample to the last, in seconds.
    pub duration: f64,
    /// Seconds of signal that could be read.
    pub analysable: f64,
    /// The rest: stretches without a signal or with one that cannot be read.
    pub gaps: Gaps,
}

/// Stretches that could not be analysed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Gaps {
    /// How many there are.
    pub count: u64,
    /// Seconds of all of them.
    pub seconds: f64,
    /// The longest ones, longest first.
    pub longest: Vec<Gap>,
}

/// A stretch that could not be analysed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// Its first sample.
    pub start: Time,
    /// The sample after its last one.
    pub end: Time,
    /// Its length in seconds.
    pub seconds: f64,
    /// Why nothing could be told at its beginning.
    pub reason: GapReason,
}

/// Why a stretch could not be analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Nothing was recorded.
    NoSignal,
    /// The signal cannot be read.
    Unreadable,
}

/// Beats by class of ANSI/AAMI EC57.
///
/// `analysed` is the sum of the five classes and `unclassified`, and `total` that
/// of `analysed` and `unreadable`. Per cent are of `analysed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct BeatCounts {
    /// All beats outside ventricular fibrillation.
    pub total: u64,
    /// All of them but the unreadable ones.
    pub analysed: u64,
    /// Normal beats.
    pub n: Share,
    /// Supraventricular ectopic beats.
    pub s: Share,
    /// Ventricular ectopic beats.
    pub v: Share,
    /// Fusions of a normal and a ventricular beat.
    pub f: Share,
    /// Paced and unclassifiable beats.
    pub q: Share,
    /// Beats of a class that has no place in EC57.
    pub unclassified: Share,
    /// Analysed beats that the classifier leaves to a human. They keep their
    /// class, and are in its number too.
    pub rejected: Share,
    /// Beats where the signal cannot be read: they count for nothing else.
    pub unreadable: u64,
    /// Beats within ventricular fibrillation, which are none: they are in no
    /// other number.
    pub within_fibrillation: u64,
}

/// A number of beats and its part of the analysed ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Per cent of the analysed beats; 0 where there is none.
    pub percent: f64,
}

/// Heart rate in beats per minute.
///
/// It goes by the RR intervals of all analysed beats, of whatever class, in
/// order of time. An interval across a gap, across ventricular fibrillation or
/// of at least the limit of an asystole is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HeartRate {
    /// 60 divided by the mean RR interval.
    pub mean: Option<f64>,
    /// The lowest mean over so many consecutive RR intervals as
    /// [`crate::episodes::Thresholds::intervals`] says, at the last beat of them.
    pub min: Option<Rate>,
    /// The highest such mean.
    pub max: Option<Rate>,
    /// RR intervals that count.
    pub intervals: u64,
}

/// A heart rate at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// In beats per minute.
    pub rate: f64,
    /// The beat that ends the intervals it is a mean of.
    pub at: Time,
}

/// Ectopic beats of one class, and how many of them follow each other.
///
/// A row ends at a beat of another class, at a gap, at ventricular fibrillation
/// and at an interval as long as the limit of an asystole. So
/// `singles + 2 * couplets + beats of all longer rows` are all beats of the
/// class. EC57 counts so; [`crate::episodes::RhythmWatch`] parts a row of
/// changing rate in two that share a beat.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ectopy {
    /// All of them.
    pub beats: u64,
    /// Per cent of the analysed beats.
    pub burden: f64,
    /// Rows of one beat.
    pub singles: u64,
    /// Rows of two.
    pub couplets: u64,
    /// Rows of three; they are runs too, unless the limit of a run is higher.
    pub triplets: u64,
    /// Rows of as many beats as make a run.
    pub runs: Runs,
}

/// Runs of ectopic beats.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Runs {
    /// How many there are.
    pub count: u64,
    /// Beats in all of them.
    pub beats: u64,
    /// The one with the most beats, the first of equals.
    pub longest: Option<Episode>,
    /// The one with the highest mean rate, the first of equals.
    pub fastest: Option<Episode>,
    /// Those with the most beats, longest first.
    pub list: Vec<Episode>,
}

/// A stretch of the recording in which something goes on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Episode {
    /// Its first beat, or its first sample where it is told by the signal.
    pub start: Time,
    /// Its last beat, or the sample after its last one.
    pub end: Time,
    /// From start to end, in seconds.
    pub seconds: f64,
    /// Its beats: all of a run's, the ventricular ones of a bigeminy or trigeminy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beats: Option<u64>,
    /// Rate in beats per minute: the mean of a run, the extreme of a bradycardia
    /// or tachycardia, that of the waves of a rhythm told by the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

/// Episodes of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Episodes {
    /// How many there are.
    pub count: u64,
    /// Seconds of all of them.
    pub seconds: f64,
    /// The longest ones, longest first, the first of equals first: at most
    /// [`Options::listed`].
    pub longest: Vec<Episode>,
    /// The slowest rate of all bradycardias, or the fastest of all tachycardias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extreme: Option<Rate>,
}

/// Ventricular beats that begin before the T wave is expected to end.
///
/// No T wave is measured. A V beat counts when the beat before it is none, and
/// the RR interval to it is shorter than the QT interval that Fridericia's
/// formula gives (Acta Med. Scand. 53:469, 1920): [`Options::qtc`] times the
/// cube root of the mean RR interval, in seconds, over the last intervals that
/// the heart rate goes by.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ROnT {
    /// How many beats.
    pub count: u64,
    /// The ones with the shortest RR interval, shortest first.
    pub earliest: Vec<EarlyBeat>,
}

/// A ventricular beat near a T wave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EarlyBeat {
    /// Where it is.
    pub at: Time,
    /// The RR interval to it, in seconds.
    pub rr: f64,
    /// The QT interval that is expected, in seconds.
    pub qt: f64,
}

/// Who tells of atrial fibrillation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RhythmSource {
    /// The model's probability at each beat.
    Model,
    /// Rhythm notes of an annotation file, `(AFIB` and what follows it.
    Annotations,
}

/// Atrial fibrillation.
///
/// By a model, an episode is a row of beats each with a probability of at least
/// [`Options::af_probability`], without a gap, that lasts
/// [`Options::af_seconds`] or longer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtrialFibrillation {
    /// Who tells of it.
    pub source: RhythmSource,
    /// Its episodes.
    pub episodes: Episodes,
    /// Per cent of the analysable time.
    pub burden: f64,
}

/// Heart-rate variability after the Task Force of the European Society of
/// Cardiology and the North American Society of Pacing and Electrophysiology
/// (Circulation 93:1043, 1996).
///
/// A normal-to-normal (NN) interval lies between two analysed N beats that
/// follow each other, neither rejected. It is an artefact, and left out, where it
/// is outside [`Options::nn_range`] or differs by more than [`Options::nn_change`]
/// from the median of the five candidates before it, artefacts among them.
/// Differences are taken between NN intervals that share a beat.
///
/// Windows are of five minutes, counted from the first sample; an interval is of
/// the window that its second beat lies in. Every value is `None` where there are
/// too few intervals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hrv {
    /// NN intervals that count.
    pub intervals: u64,
    /// Intervals between N beats that were left out as artefacts.
    pub artefacts: u64,
    /// Mean NN interval, ms.
    pub mean_nn: Option<f64>,
    /// Standard deviation of all NN intervals, ms (divisor n - 1, everywhere).
    pub sdnn: Option<f64>,
    /// Standard deviation of the means of the windows whose NN intervals last at
    /// least half of it, ms.
    pub sdann: Option<f64>,
    /// Mean of the standard deviations of these windows, ms.
    pub sdnn_index: Option<f64>,
    /// Root mean square of the differences of adjacent NN intervals, ms.
    pub rmssd: Option<f64>,
    /// Adjacent NN intervals that differ by more than 50 ms, per cent of all NN
    /// intervals.
    pub pnn50: Option<f64>,
    /// All NN intervals divided by those in the fullest bin of 1/128 s.
    pub triangular_index: Option<f64>,
    /// Standard deviation across the line of identity in the Poincaré plot, ms.
    pub sd1: Option<f64>,
    /// Standard deviation along it, ms.
    pub sd2: Option<f64>,
    /// Power in bands of frequency.
    pub frequency: Option<FrequencyDomain>,
    /// Number of NN intervals per bin of 1/128 s, the first from 0 s on.
    pub histogram: Vec<u32>,
    /// The Poincaré plot of intervals up to 4 s in cells of [`POINCARE_CELL`] ms,
    /// those that are empty left out.
    pub poincare: Vec<PoincareCell>,
}

/// Width and height of a cell of the Poincaré plot, ms.
pub const POINCARE_CELL: u32 = 25;

/// A cell of the Poincaré plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PoincareCell {
    /// Lower bound of an RR interval, ms.
    pub rr: u32,
    /// Lower bound of the next one, ms.
    pub next: u32,
    /// Pairs of adjacent RR intervals of all analysed beats.
    pub all: u32,
    /// Those of them that are both NN.
    pub normal: u32,
}

/// Power of the NN intervals in bands of frequency, the mean over the windows
/// whose NN intervals last at least 80 % of it.
///
/// Each window has a Lomb-Scargle periodogram of the NN intervals, less their
/// mean, at the times of their second beats, at multiples of 1/300 Hz. It is
/// scaled by twice the mean spacing of the times, which for even spacing is the
/// one-sided power spectral density in ms²/Hz. A band's power is the sum over
/// its frequencies, above its lower bound and up to its upper one, times 1/300 Hz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FrequencyDomain {
    /// Windows that it is a mean over.
    pub windows: u64,
    /// Very low frequencies, up to 0.04 Hz, ms².
    pub vlf: f64,
    /// Low frequencies, 0.04 to 0.15 Hz, ms².
    pub lf: f64,
    /// High frequencies, 0.15 to 0.4 Hz, ms².
    pub hf: f64,
    /// All of them, ms².
    pub total: f64,
    /// The mean low-frequency power divided by the mean high-frequency power;
    /// `None` where the latter is 0.
    pub lf_hf: Option<f64>,
}

/// An hour of the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Hour {
    /// Hours from the first sample to its beginning.
    pub hour: u64,
    /// Analysed beats in it.
    pub beats: u64,
    /// Normal ones.
    pub n: u64,
    /// Supraventricular ectopic ones.
    pub s: u64,
    /// Ventricular ectopic ones.
    pub v: u64,
    /// Mean heart rate, by the intervals that end in it.
    pub mean_rate: Option<f64>,
    /// Lowest and highest mean over consecutive intervals that end in it: see
    /// [`HeartRate`].
    pub min_rate: Option<f64>,
    /// See `min_rate`.
    pub max_rate: Option<f64>,
    /// Minutes of it that could be analysed.
    pub analysable_minutes: f64,
    /// Pauses that end in it.
    pub pauses: u64,
    /// Runs of ventricular beats that begin in it.
    pub v_runs: u64,
    /// Runs of supraventricular beats that begin in it.
    pub s_runs: u64,
}

/// A value per minute of the recording; all columns are equally long. What goes
/// by beats is `None` where nothing of the minute could be analysed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Minutes {
    /// Mean heart rate, beats per minute, by the intervals that end in it; `None`
    /// without an interval.
    pub heart_rate: Vec<Option<f32>>,
    /// Shortest RR interval that ends in it, seconds.
    pub shortest_rr: Vec<Option<f32>>,
    /// Longest RR interval that ends in it, seconds; pauses of any length are in it.
    pub longest_rr: Vec<Option<f32>>,
    /// Analysed beats.
    pub beats: Vec<Option<u32>>,
    /// Ventricular ectopic beats.
    pub v: Vec<Option<u32>>,
    /// Supraventricular ectopic beats.
    pub s: Vec<Option<u32>>,
    /// Seconds of it that could be analysed.
    pub analysable: Vec<f32>,
}
