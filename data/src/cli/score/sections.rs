//! The parts of the report that are asked for: runs, episodes, measurements.

use std::collections::BTreeMap;
use std::io::Write;

use crate::scoring::ec57::{self, Ectopy, EpisodeCounts, EpisodeFigures, Kind};
use crate::scoring::ec57::{MeasurementErrors, Rate, RunCounts};
use serde::{Serialize, Serializer};

use super::{Arguments, Recording};

/// One thing compared on every record, in the order of the records.
type Compared<T> = Vec<(String, T)>;

/// What was compared besides the beats; what was not asked for is absent.
#[derive(Serialize)]
pub struct Sections {
    /// Runs of V and of S beats: Se and +P of couplets, short and long runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Runs>,
    /// Episodes by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    episodes: BTreeMap<Kind, Episodes>,
    /// Errors of measurements, as fractions of their mean.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "serialize_measurements"
    )]
    measurements: Option<Compared<MeasurementErrors>>,
}

#[derive(Serialize)]
struct Runs {
    #[serde(serialize_with = "serialize_runs")]
    v: Compared<RunCounts>,
    #[serde(serialize_with = "serialize_runs")]
    s: Compared<RunCounts>,
}

struct Episodes(Compared<EpisodeCounts>);

impl Sections {
    /// Compares what the arguments ask for.
    pub fn of(arguments: &Arguments, recordings: &[Recording]) -> Sections {
        let start = arguments.start;
        let runs = |ectopy| {
            let compare = |r: &Recording| ec57::compare_runs(&r.pair(), start, ectopy);
            each(recordings, compare)
        };
        let episodes = |kind: &Kind| {
            let compare = |r: &Recording| ec57::compare_episodes(&r.pair(), start, *kind);
            (*kind, Episodes(each(recordings, compare)))
        };
        let measurements = |subtype| {
            let compare = |r: &Recording| {
                let errors = ec57::compare_measurements(&r.pair(), start, subtype)?;
                Some((r.name.clone(), errors))
            };
            recordings.iter().filter_map(compare).collect()
        };
        Sections {
            runs: arguments.runs.then(|| Runs {
                v: runs(Ectopy::V),
                s: runs(Ectopy::S),
            }),
            episodes: arguments.episodes.iter().map(episodes).collect(),
            measurements: arguments.measurements.map(measurements),
        }
    }

    /// Prints them: with `--matrices` every record in full, then its line.
    pub fn write(&self, arguments: &Arguments, out: &mut impl Write) -> std::io::Result<()> {
        let (reference, test) = (&arguments.reference, &arguments.test);
        if let Some(Runs { v, s }) = &self.runs {
            for (ectopy, runs) in [(Ectopy::V, v), (Ectopy::S, s)] {
                let report = |name: &str, counts: &RunCounts| {
                    ec57::run_report(ectopy, name, reference, test, counts)
                };
                full(arguments, runs, report, out)?;
                write!(out, "\n{}", ec57::run_heading(ectopy))?;
                for (name, counts) in runs {
                    writeln!(out, "{}", ec57::run_line(name, counts))?;
                }
                write!(out, "{}", ec57::run_summary(runs))?;
            }
        }
        for (kind, Episodes(episodes)) in &self.episodes {
            let report = |name: &str, counts: &EpisodeCounts| {
                ec57::episode_report(*kind, name, reference, test, counts)
            };
            full(arguments, episodes, report, out)?;
            write!(out, "\n{}", ec57::episode_heading(*kind))?;
            for (name, counts) in episodes {
                writeln!(out, "{}", ec57::episode_line(name, counts))?;
            }
            write!(out, "{}", ec57::episode_summary(episodes))?;
        }
        if let (Some(measured), Some(subtype)) = (&self.measurements, arguments.measurements) {
            let report = |name: &str, errors: &MeasurementErrors| {
                ec57::measurement_report(subtype, name, reference, test, errors)
            };
            full(arguments, measured, report, out)?;
            write!(out, "\n{}", ec57::measurement_heading(subtype))?;
            for (name, errors) in measured {
                writeln!(out, "{}", ec57::measurement_line(name, errors))?;
            }
            write!(out, "{}", ec57::measurement_summary(measured))?;
        }
        Ok(())
    }
}

fn each<T>(recordings: &[Recording], compare: impl Fn(&Recording) -> T) -> Compared<T> {
    recordings
        .iter()
        .map(|r| (r.name.clone(), compare(r)))
        .collect()
}

fn full<T>(
    arguments: &Arguments,
    compared: &[(String, T)],
    report: impl Fn(&str, &T) -> String,
    out: &mut impl Write,
) -> std::io::Result<()> {
    if arguments.matrices {
        writeln!(out)?;
        for (name, found) in compared {
            write!(out, "{}", report(name, found))?;
        }
    }
    Ok(())
}

/// Se and +P of the runs of one record.
#[derive(Serialize)]
struct RunRates {
    couplets: Rate,
    short_runs: Rate,
    long_runs: Rate,
}

fn serialize_runs<S: Serializer>(
    runs: &Compared<RunCounts>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let rates = |(name, counts): &(String, RunCounts)| {
        let [couplets, short_runs, long_runs] = counts.ratios().map(|[se, ppv]| Rate {
            se: se.value(),
            ppv: ppv.value(),
        });
        let rates = RunRates {
            couplets,
            short_runs,
            long_runs,
        };
        (name.clone(), rates)
    };
    serializer.collect_map(runs.iter().map(rates))
}

fn serialize_measurements<S: Serializer>(
    measured: &Option<Compared<MeasurementErrors>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        measured
            .iter()
            .flatten()
            .map(|(name, errors)| (name, errors)),
    )
}

impl Serialize for Episodes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Scores<'a> {
            gross: EpisodeFigures,
            records: BTreeMap<&'a str, EpisodeFigures>,
        }
        let Episodes(episodes) = self;
        let scores = Scores {
            gross: EpisodeFigures::of(episodes.iter().map(|(_, counts)| counts)),
            records: episodes
                .iter()
                .map(|(name, counts)| (name.as_str(), EpisodeFigures::of([counts])))
                .collect(),
        };
        scores.serialize(serializer)
    }
}
