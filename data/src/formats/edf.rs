//! EDF and BDF: recordings in one file, of 16 and of 24 bits a sample, with the
//! annotations and gaps of EDF+ and BDF+.
//!
//! A file is a header and data records of equal length; a record holds so many
//! samples of each signal, one signal after the other. What is particular here:
//!
//! - A lead is called as its label is, without the type in front where a name
//!   remains: `ECG II` is `II`, but `ECG`, `EKG1` and `ECG 2` stay as they are.
//! - A physical range that is inverted turns the polarity, as the format means it.
//!   A signal whose range is empty cannot be scaled: it has no valid sample, and
//!   to choose it is refused.
//! - The lowest sample that fits into its bytes is invalid where it lies below the
//!   digital minimum: so do converters fill up gaps and the last record.
//! - Where the last record is cut short, its samples are kept and those that miss
//!   are invalid: a recorder lost its power. Where more is missing, the file is
//!   refused as a WFDB signal file is that is shorter than its header says.
//! - In a file that says it is interrupted (`EDF+D`), the time between records is
//!   a gap: invalid samples, a year of them at most.
//! - A rate within two millionths of a whole number is that number, since the
//!   header has eight characters for the length of a record.

mod annotations;
mod header;
mod layout;
mod reader;
mod window;
mod write;

pub(in crate::formats) use header::is;
pub(in crate::formats) use layout::Layout;
pub(in crate::formats) use reader::Reader;
pub use write::{annotation_file, beside};
