//! Comparison of annotators as ANSI/AAMI EC57 prescribes.
//!
//! A native counterpart of the programs that WFDB has for it: the same
//! matching, exclusions, figures and report formats, and the same counts except
//! where those programs err; what is done there instead stands with each
//! function.
//!
//! | here | counterpart | what is compared |
//! |---|---|---|
//! | [`compare`] | `bxb`, `sumstats` | beats, RR intervals, shutdowns |
//! | [`compare_runs`] | `rxr` | runs of V and of S beats |
//! | [`compare_episodes`] | `epicmp` | episodes of AF, VF and VT, their durations |
//! | [`compare_measurements`] | `mxm` | measurements, such as heart rates |
//!
//! Sample numbers count from the start of the record, at the rate that a
//! [`Pair`] states. One convention differs from the heartbeat-classification
//! literature: here escape beats (`e`, `j`, `n`) are S, as AAMI's recommended
//! practice and `bxb` have it, unless [`Options::convention`] says otherwise.

mod aggregate_statistics;
mod annotator;
mod episodes;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hard;
mod matching;
mod matrix;
mod measurements;
#[cfg(test)]
mod other_tests;
#[cfg(test)]
mod random;
mod report;
mod runs;
mod shutdown;
#[cfg(test)]
mod slow;
mod steps;
#[cfg(test)]
mod tests;

pub use aggregate_statistics::{AggregateStatistics, Rate, RecordFigures};
pub use episodes::{EpisodeCounts, EpisodeFigures, Kind, compare_episodes};
pub use episodes::{episode_heading, episode_line, episode_report, episode_summary};
pub use matching::{Comparison, Finding, Options, Pair, Step, compare};
pub use matrix::{Beat, Figure, Figures, Matrix, Ratio};
pub use measurements::{MeasurementErrors, compare_measurements};
pub use measurements::{
    measurement_heading, measurement_line, measurement_report, measurement_summary,
};
pub use report::{HEADING, Layout, line, line_in, matrix_report, matrix_report_in};
pub use report::{summary_report, summary_report_in};
pub use runs::{Ectopy, RunCounts, RunMatrix, compare_runs};
pub use runs::{run_heading, run_line, run_report, run_summary};
pub use shutdown::{shutdown_heading, shutdown_line, shutdown_summary};
pub use steps::{mismatches, pair_annotations};
