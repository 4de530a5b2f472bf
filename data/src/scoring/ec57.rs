//! Beat-by-beat comparison of annotators as ANSI/AAMI EC57 prescribes.
//!
//! A native counterpart of the programs `bxb` and `sumstats` of the WFDB
//! Software Package: the same matching, exclusions, figures and report format.
//! One convention differs from the heartbeat-classification literature: here
//! escape beats (`e`, `j`) are S unless [`Options::convention`] says otherwise.

#[cfg(test)]
mod golden;
mod matching;
mod matrix;
mod report;
mod summary;

pub use matching::{Comparison, Options, compare};
pub use matrix::{Beat, Figure, Figures, Matrix, Ratio};
pub use report::{HEADING, line, matrix_report, summary_report};
pub use summary::{Rate, RecordFigures, Summary};
