//! What a sweep varies: values of settings, and seeds.

use std::collections::BTreeSet;

use clap::{Arg, ArgAction};
use data::record::checksum::hexadecimal;
use data::record::error::ensure;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Most runs of a sweep: one of a minute each takes most of a day.
pub(super) const RUNS: usize = 1000;
/// Longest name of a run's folder; a file system takes 255 bytes.
const NAME: usize = 150;
/// Settings that a sweep does not vary, and what to do instead.
const NOT_SWEPT: [(&str, &str); 2] = [("seed", "--seeds 1-3"), ("fold", "--folds 5")];

/// What `train sweep` has besides the flags of `train`.
#[derive(clap::Args, Clone, Debug)]
pub struct Varied {
    /// Values of a setting, such as gamma=0,2; where a value has commas itself, as of blocks, ';' is between the values: 'blocks=24x5/2,32x5/2;48x5/2'. May be repeated: every combination is trained
    #[arg(
        long,
        value_name = "KEY=VALUES",
        required = true,
        help_heading = "Sweep"
    )]
    pub grid: Vec<String>,
    /// Seeds that each combination is trained with: 1-3, or 1,5,7 [default: that of --seed]
    #[arg(long, value_name = "SEEDS", help_heading = "Sweep")]
    pub seeds: Option<String>,
}

/// A setting that is varied.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    key: String,
    values: Vec<String>,
}

/// What is varied.
#[derive(Clone, Debug)]
pub struct Grid {
    axes: Vec<Axis>,
    /// None where the runs have the seed of the other flags.
    seeds: Vec<Option<u64>>,
}

/// A combination with a seed.
#[derive(Clone, Debug)]
pub struct Cell {
    /// A value for each axis.
    pub(super) values: Vec<(String, String)>,
    seed: Option<u64>,
}

impl Grid {
    /// From the command line; `settings` are the flags that stand for settings.
    ///
    /// # Errors
    /// Names a key that is no setting, or values that cannot be told apart.
    pub fn parse(varied: &Varied, settings: &[Arg]) -> Result<Grid> {
        let mut axes: Vec<Axis> = Vec::new();
        for text in &varied.grid {
            let axis = Axis::parse(text, settings)?;
            ensure(axes.iter().all(|other| other.key != axis.key), || {
                Error::usage(format!(
                    "--grid {text}: {} is in another --grid already; put all of its values into one",
                    axis.key
                ))
            })?;
            axes.push(axis);
        }
        let seeds = match &varied.seeds {
            Some(text) => parse_seeds(text)?.into_iter().map(Some).collect(),
            None => vec![None],
        };
        let grid = Grid { axes, seeds };
        grid.refuse_more_than(RUNS)?;
        Ok(grid)
    }

    /// Refuses a grid of more than so many runs.
    pub(super) fn refuse_more_than(&self, most: usize) -> Result<()> {
        let sizes = self.axes.iter().map(|axis| axis.values.len());
        let runs = sizes.fold(self.seeds.len(), usize::saturating_mul);
        ensure(runs <= most, || {
            Error::usage(format!(
                "--grid and --seeds make {runs} runs; {most} at most are trained in a sweep; take fewer values or seeds"
            ))
        })
    }

    /// The keys that are varied.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().map(|axis| axis.key.as_str())
    }

    /// Every combination with the first seed, then with the next: what is there
    /// early can be compared.
    pub fn cells(&self) -> Vec<Cell> {
        let mut combinations: Vec<Vec<(String, String)>> = vec![Vec::new()];
        for Axis { key, values } in &self.axes {
            let longer = |values_before: &Vec<(String, String)>| {
                let before = values_before.clone();
                let with = move |value: &String| {
                    let mut all = before.clone();
                    all.push((key.clone(), value.clone()));
                    all
                };
                values.iter().map(with).collect::<Vec<_>>()
            };
            combinations = combinations.iter().flat_map(longer).collect();
        }
        let mut cells = Vec::new();
        for &seed in &self.seeds {
            cells.extend(combinations.iter().map(|values| Cell {
                values: values.clone(),
                seed,
            }));
        }
        cells
    }
}

impl Axis {
    fn parse(text: &str, settings: &[Arg]) -> Result<Axis> {
        let (key, values) = text.split_once('=').ok_or_else(|| {
            Error::usage(format!(
                "--grid {text}: write KEY=VALUES, such as gamma=0,2"
            ))
        })?;
        if let Some((_, instead)) = NOT_SWEPT.iter().find(|(not, _)| *not == key) {
            return Err(Error::usage(format!(
                "--grid {text}: {key} is not swept; give {instead}"
            )));
        }
        let known = |arg: &Arg| arg.get_long().map(str::to_owned);
        let arg = settings.iter().find(|arg| arg.get_long() == Some(key));
        let arg = arg.ok_or_else(|| {
            let names: Vec<String> = settings.iter().filter_map(known).collect();
            Error::usage(format!(
                "--grid {text}: there is no setting '{key}'; the settings are {}",
                names.join(", ")
            ))
        })?;
        let separator = match values.contains(';') || has_commas(arg) {
            true => ';',
            false => ',',
        };
        let values: Vec<String> = values
            .split(separator)
            .map(str::trim)
            .map(String::from)
            .collect();
        ensure(values.iter().all(|value| !value.is_empty()), || {
            Error::usage(format!(
                "--grid {text}: a value is empty; write values with '{separator}' between them"
            ))
        })?;
        let each: BTreeSet<&String> = values.iter().collect();
        ensure(each.len() == values.len(), || {
            Error::usage(format!(
                "--grid {text}: a value is there twice; leave one out"
            ))
        })?;
        Ok(Axis {
            key: key.into(),
            values,
        })
    }
}

/// Texts that may hold commas: symbols of classes, names, a regular expression.
const TEXTS: [&str; 3] = ["classes", "records", "patient-pattern"];

/// Whether a value of this flag may hold commas, as lists do.
fn has_commas(arg: &Arg) -> bool {
    let list = arg.get_value_delimiter().is_some() || matches!(arg.get_action(), ArgAction::Append);
    list || TEXTS.iter().any(|text| arg.get_long() == Some(text))
}

/// Seeds such as 1-3 or 1,5,7-9.
fn parse_seeds(text: &str) -> Result<Vec<u64>> {
    let wrong = |why: &str| {
        Error::usage(format!(
            "--seeds {text}: {why}; write the first and the last, such as 1-3, or each, such as 1,5,7"
        ))
    };
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u64>();
        let (Ok(first), Ok(last)) = (number(first), number(last)) else {
            return Err(wrong(&format!("'{part}' is no seed and no range of seeds")));
        };
        ensure(first <= last, || {
            wrong(&format!("{part} ends before it begins"))
        })?;
        ensure(last - first < RUNS as u64, || {
            wrong(&format!("{part} are more than {RUNS} seeds"))
        })?;
        seeds.extend(first..=last);
    }
    let each: BTreeSet<&u64> = seeds.iter().collect();
    ensure(each.len() == seeds.len(), || wrong("a seed is there twice"))?;
    Ok(seeds)
}

impl Cell {
    /// The flags that make the run what it is.
    pub fn flags(&self) -> impl Iterator<Item = String> {
        let values = self
            .values
            .iter()
            .map(|(key, value)| format!("--{key}={value}"));
        values.chain(self.seed.map(|seed| format!("--seed={seed}")))
    }

    /// A name for its folder: the values, and a checksum of them where a file
    /// system could not hold them.
    pub(super) fn folder(&self, seed: u64) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (key, value) in &self.values {
            parts.push(format!("{key}={value}"));
        }
        parts.push(format!("seed={seed}"));
        let full = parts.join(" ");
        let kept = |c: char| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '=' | ',' | '.' | '-' | '+' | '@' | '~' => c,
            _ => '_',
        };
        let name: String = full.chars().map(kept).collect();
        // Strides have a slash, and nothing else that a name lacks.
        let readable = full.replace(['/', ' '], "_") == name
            && !self.values.iter().any(|(_, v)| v.contains([' ', '_']));
        if readable && name.len() <= NAME {
            return name;
        }
        let digest = hexadecimal(&Sha256::digest(full));
        let start: String = name.chars().take(NAME).collect();
        format!("{start}-{}", &digest[..12])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::cli::setting_flags;

    fn grid(grid: &[&str], seeds: Option<&str>) -> Result<Grid> {
        let varied = Varied {
            grid: grid.iter().map(|text| (*text).to_owned()).collect(),
            seeds: seeds.map(String::from),
        };
        Grid::parse(&varied, &setting_flags())
    }

    #[test]
    fn every_combination_comes_once_with_every_seed() {
        let blocks = "blocks=24x5/2,32x5/2;48x5/2";
        let grid = grid(&["gamma=0,2", blocks], Some("1-2,9")).unwrap();
        let cells = grid.cells();
        let flags: BTreeSet<Vec<String>> = cells.iter().map(|c| c.flags().collect()).collect();
        assert_eq!((cells.len(), flags.len()), (12, 12));
        let first: Vec<String> = cells[0].flags().collect();
        let expected = ["--gamma=0", "--blocks=24x5/2,32x5/2", "--seed=1"];
        assert_eq!(first, expected);
        let names: BTreeSet<String> = cells.iter().map(|c| c.folder(c.seed.unwrap())).collect();
        assert_eq!(names.len(), 12);
        assert!(
            names.contains("gamma=2_blocks=24x5_2,32x5_2_seed=9"),
            "{names:?}"
        );
    }

    #[test]
    fn values_that_no_file_system_holds_have_names_of_their_own() {
        let long = "8x5/2,".repeat(60) + "8x3";
        let values = [
            "symbols N L V".to_owned(),
            "symbols N_L V".to_owned(),
            "../up".to_owned(),
            "é".to_owned(),
            long.clone(),
            long + ",8x3",
        ];
        let name = |value: &String| {
            let values = vec![("classes".to_owned(), value.clone())];
            Cell { values, seed: None }.folder(1)
        };
        let names: BTreeSet<String> = values.iter().map(name).collect();
        assert_eq!(names.len(), values.len());
        let plain = |name: &String| name.len() < 200 && !name.contains(['/', '\\', ' ']);
        assert!(names.iter().all(plain), "{names:?}");
    }

    #[test]
    fn rubbish_is_refused_with_the_way_out() {
        for (text, seeds, words) in [
            ("gamma", None, "write KEY=VALUES"),
            ("colour=1,2", None, "there is no setting 'colour'"),
            ("out=a,b", None, "there is no setting 'out'"),
            ("gamma=", None, "a value is empty"),
            ("gamma=0,,2", None, "a value is empty"),
            ("blocks=8x3;", None, "with ';' between"),
            ("gamma=1,1", None, "twice"),
            ("seed=1,2", None, "--seeds 1-3"),
            ("fold=1/2", None, "--folds 5"),
            ("gamma=1", Some("3-1"), "ends before it begins"),
            ("gamma=1", Some(""), "no seed"),
            ("gamma=1", Some("1,x"), "'x' is no seed"),
            ("gamma=1", Some("1-3,2"), "twice"),
            ("gamma=1", Some("0-18446744073709551615"), "more than 1000"),
            ("gamma=1,2", Some("1-900"), "make 1800 runs"),
        ] {
            let error = grid(&[text], seeds).unwrap_err().to_string();
            assert!(error.contains(words), "{text} {seeds:?}: {error}");
        }
        let twice = grid(&["gamma=1", "gamma=2"], None).unwrap_err().to_string();
        assert!(twice.contains("another --grid"), "{twice}");
    }
}
