//! The arguments of `report`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use data::formats::samples;

use crate::classifier;

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Recordings, or folders of them.
    #[arg(required_unless_present = "list", value_name = "RECORDING")]
    pub inputs: Vec<PathBuf>,
    /// A file that names recordings or folders, one a line.
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// The page of one recording, a name in .html; of several, the folder of
    /// their pages [default: report.html; reports].
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Write the same content as JSON, too, beside the page.
    #[arg(long)]
    pub json: bool,
    /// The beats and classes of this WFDB annotation file instead of a model's,
    /// such as the corrections that a page saves.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "reference"])]
    pub annotations: Option<PathBuf>,
    /// The model [default: the one in the models folder whose contract fits].
    #[arg(short, long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Classify the beats of this annotator [default: the detector's].
    #[arg(long, value_name = "ANNOTATOR")]
    pub reference: Option<String>,
    /// The lead to read with a model that takes any one lead [default: the
    /// recording's first ECG].
    #[arg(long, value_name = "LEAD")]
    pub lead: Option<String>,
    /// Files that hold samples, a row for each, and not beats (CSV, TSV, Parquet):
    /// what their columns are, such as fs=250,leads=ecg,unit=uV,gain=200, or time=t
    /// for a column of times; see docs/recordings.md.
    #[arg(long, value_name = "COLUMNS")]
    pub samples: Option<samples::Options>,
    /// A pause is an RR interval of at least so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = PAUSE, value_parser = seconds)]
    pub pause: f64,
    /// Only the i-th of n parts of the recordings, for n machines that share a
    /// folder of results: 1/4 to 4/4.
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub shard: Shard,
    /// Replace outputs that this program did not make, and make those again that
    /// are there already.
    #[arg(long)]
    pub force: bool,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N", value_parser = classifier::threads)]
    pub threads: Option<NonZeroUsize>,
}

/// A pause is of so many seconds where nobody says otherwise.
const PAUSE: f64 = 2.0;

impl Arguments {
    /// Those of a page with JSON, of one recording that is found already.
    pub(super) fn of_one(lead: Option<String>) -> Arguments {
        Arguments {
            inputs: Vec::new(),
            list: None,
            output: None,
            json: true,
            annotations: None,
            model: None,
            reference: None,
            lead,
            samples: None,
            pause: PAUSE,
            shard: Shard { part: 0, of: 1 },
            force: true,
            threads: None,
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|s| (0.5..=60.0).contains(s))
        .ok_or_else(|| "it may be 0.5 to 60".to_owned())
}

/// A part of several recordings: every `of`-th from number `part` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    part: usize,
    of: usize,
}

impl Shard {
    /// Whether the recording at this place is among them.
    pub(super) fn has(self, place: usize) -> bool {
        place % self.of == self.part
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((part, of)) if (1..=of).contains(&part) => Ok(Shard { part: part - 1, of }),
            _ => Err("it is the number of a part and of all parts, 1/4 to 4/4".into()),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.part + 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_recordings_out_without_rest() {
        let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].map(|t| t.parse().unwrap()).into();
        for place in 0..10 {
            assert_eq!(shards.iter().filter(|s| s.has(place)).count(), 1);
        }
        for wrong in ["", "0/2", "3/2", "1", "1/0", "-1/2", "a/b"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        assert_eq!(shards[1].to_string(), "2/3");
    }
}
