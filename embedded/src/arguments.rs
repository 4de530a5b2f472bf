//! The command line, raw and then validated.

use std::fmt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, ValueEnum};
use data::beat_files::table::{self, Columns, Reading};
use data::datasets::dataset::{Kind, Place};
use data::episodes::Thresholds;
use data::formats;
use data::pipeline::RATES;
use data::program::{EXIT_CODES, Usage};
use embedded::decode::{Encoding, Format, MOST_CHANNELS};
use models::shipped;

/// ECG samples in, labelled beats out: JSON Lines on standard output as each
/// beat is decided.
#[derive(Parser, Debug)]
#[command(name = "embedded", version, about, after_help = help())]
pub struct Arguments {
    /// Where the samples come from: `-` (standard input), a recording (WFDB as
    /// FOLDER/100, EDF, BDF), a file of samples, a serial device, or tcp://HOST:PORT. With a model of a table's
    /// layout: beats as a table (CSV, TSV, packed with gzip or not)
    #[arg(default_value = "-")]
    pub input: String,
    /// The model, a file or a bundle [default: resnet.onnx in the models folder or beside the program]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,

    /// A recording: the lead to read with a model that takes any one lead: a name,
    /// also another usual one, a number from 1, or auto, the lead on which beats
    /// stand out best [default: the first ECG]
    #[arg(long, value_name = "LEAD")]
    pub lead: Option<String>,

    /// How samples are written in a stream or file that is no recording
    /// [default: csv for .csv and .txt]
    #[arg(long, value_enum, help_heading = "Samples")]
    pub format: Option<EncodingName>,
    /// Samples per second and channel
    #[arg(long, value_name = "HZ", help_heading = "Samples")]
    pub fs: Option<f64>,
    /// Channels of a frame [default: as many as the model has leads]
    #[arg(long, value_name = "N", help_heading = "Samples")]
    pub channels: Option<usize>,
    /// The channels that hold the model's leads, from 1 [default: the first ones]
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        help_heading = "Samples"
    )]
    pub columns: Vec<usize>,
    /// Units per mV [default: 1 for csv and f32]
    #[arg(
        long,
        value_name = "UNITS",
        help_heading = "Samples",
        allow_negative_numbers = true
    )]
    pub gain: Option<f64>,
    /// The value that stands for 0 mV
    #[arg(
        long,
        value_name = "UNITS",
        help_heading = "Samples",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub baseline: f64,
    /// Speed of a serial device
    #[arg(long, help_heading = "Samples", default_value_t = 115_200)]
    pub baud: u32,
    /// Replay a record or file at this multiple of real time [default: as fast
    /// as it goes]
    #[arg(long, value_name = "FACTOR", help_heading = "Samples")]
    pub speed: Option<f64>,
    /// End when a serial or TCP source is lost, instead of opening it again
    #[arg(long, help_heading = "Samples")]
    pub no_reconnect: bool,
    /// A source that is silent for so many seconds is lost
    #[arg(
        long,
        value_name = "S",
        help_heading = "Samples",
        default_value_t = 2.0
    )]
    pub silence: f64,

    /// What the columns of a table are.
    #[arg(long, value_name = "COLUMNS", help_heading = "Beats", help = table::COLUMNS_HELP)]
    pub table: Option<Columns>,
    /// Whether rows of a table are scaled.
    #[arg(long, help_heading = "Beats", help = table::NORMALISE_HELP)]
    pub normalise: bool,

    /// Write WFDB annotations under this annotator name as well
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    pub annotator: Option<String>,
    /// Folder of the annotations
    #[arg(long, value_name = "DIR", help_heading = "Output", default_value = ".")]
    pub output: PathBuf,
    /// Annotations go to disk every so many seconds; before, they wait up to 8 s
    /// for what belongs ahead of them
    #[arg(
        long,
        value_name = "S",
        help_heading = "Output",
        default_value_t = 10.0
    )]
    pub write_through: f64,
    /// Replace an annotation file that this program did not make
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// No JSON Lines on standard output
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,

    /// An RR interval of at least so many seconds is a pause
    #[arg(long, value_name = "S", help_heading = "Rhythm", default_value_t = Thresholds::default().pause)]
    pub pause: f64,
    /// So many seconds of a flat line are an asystole, without a beat an event
    #[arg(long, value_name = "S", help_heading = "Rhythm", default_value_t = Thresholds::default().asystole)]
    pub asystole: f64,
    /// A mean rate below this is a bradycardia
    #[arg(long, value_name = "BPM", help_heading = "Rhythm", default_value_t = Thresholds::default().bradycardia)]
    pub bradycardia: f64,
    /// A mean rate above this is a tachycardia
    #[arg(long, value_name = "BPM", help_heading = "Rhythm", default_value_t = Thresholds::default().tachycardia)]
    pub tachycardia: f64,
    /// So many ectopic beats of one class in a row are a run
    #[arg(long, value_name = "BEATS", help_heading = "Rhythm", default_value_t = Thresholds::default().run)]
    pub run: u32,
    /// So many ventricular beats in the pattern are a bigeminy or trigeminy
    #[arg(long, value_name = "BEATS", help_heading = "Rhythm", default_value_t = Thresholds::default().geminy)]
    pub geminy: u32,
}

/// The end of `--help`.
fn help() -> String {
    format!("{EXAMPLES}\n\n{ENGINES}\n\n{EXIT_CODES}")
}

const ENGINES: &str = match cfg!(feature = "any-onnx") {
    true => "Engines: the lean reader for models of `train`, tract-onnx for any other operators.",
    false => "Engine: the lean reader for models of `train` (tract-onnx: feature any-onnx).",
};

const EXAMPLES: &str = "Examples:
  embedded data/mitdb/100 --annotator mon --output out   # writes out/100.mon
  embedded data/mitdb/100 --speed 1                      # live replay
  embedded /dev/ttyACM0 --format i16 --fs 250 --gain 1000
  nc sensor 7000 | embedded --format csv --fs 360
  embedded tcp://sensor:7000 --format f32 --fs 360 --channels 2 --columns 2";

/// Most beats that `--run` and `--geminy` can ask for.
const MOST_BEATS: u32 = 1000;
/// Speeds that serial devices have, in baud.
const BAUD: std::ops::RangeInclusive<u32> = 50..=4_000_000;

/// Names of [`Encoding`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EncodingName {
    /// 16-bit integers, little endian
    I16,
    /// 32-bit integers, little endian
    I32,
    /// 32-bit floats, little endian
    F32,
    /// Lines of numbers
    Csv,
}

impl From<EncodingName> for Encoding {
    fn from(name: EncodingName) -> Encoding {
        match name {
            EncodingName::I16 => Encoding::I16,
            EncodingName::I32 => Encoding::I32,
            EncodingName::F32 => Encoding::F32,
            EncodingName::Csv => Encoding::Csv,
        }
    }
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Standard input.
    Stdin,
    /// A file of raw samples or text.
    File(PathBuf),
    /// A serial device.
    Serial(PathBuf),
    /// `HOST:PORT`.
    Tcp(String),
    /// A recording, its path as `data::formats` names it.
    Record(PathBuf),
}

impl Origin {
    /// What an input argument means.
    ///
    /// # Errors
    /// There is no such file or record.
    pub fn of(input: &str) -> Result<Origin> {
        if input == "-" {
            return Ok(Origin::Stdin);
        }
        if let Some(address) = input.strip_prefix("tcp://") {
            ensure!(
                address.contains(':'),
                Usage(format!(
                    "{input}: the port is missing; write tcp://HOST:PORT"
                ))
            );
            return Ok(Origin::Tcp(address.to_owned()));
        }
        let path = Path::new(input);
        let place = Place::of_any(path);
        if let Some(remark) = &place.remark {
            eprintln!("{remark}");
        }
        if place.kind == Kind::Record {
            return Ok(Origin::Record(place.path));
        }
        let metadata = std::fs::metadata(path).with_context(|| {
            let main = formats::main_file(path);
            format!(
                "{input}: neither a file nor a WFDB record ({}); EDF and BDF files are read too",
                main.display()
            )
        })?;
        ensure!(
            !metadata.is_dir(),
            "{input}: is a folder; name a record in it, such as {input}/100"
        );
        Ok(match metadata.file_type().is_char_device() {
            true => Origin::Serial(path.to_owned()),
            false => Origin::File(path.to_owned()),
        })
    }

    /// The name of the recording, for its annotations.
    pub fn name(&self) -> &str {
        match self {
            Origin::Stdin => "stdin",
            Origin::Tcp(_) => "tcp",
            Origin::File(path) | Origin::Serial(path) => {
                path.file_stem().and_then(|s| s.to_str()).unwrap_or("input")
            }
            // A record's name may have dots of its own.
            Origin::Record(path) => path
                .file_name()
                .and_then(|s| s.to_str())
                .unwrap_or("record"),
        }
    }

    /// Whether the source can be lost and opened again.
    pub fn is_live(&self) -> bool {
        matches!(self, Origin::Serial(_) | Origin::Tcp(_))
    }
}

/// As the user writes it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Stdin => f.write_str("standard input"),
            Origin::Tcp(address) => write!(f, "tcp://{address}"),
            Origin::File(path) | Origin::Serial(path) | Origin::Record(path) => {
                path.display().fmt(f)
            }
        }
    }
}

impl Arguments {
    /// Where the samples come from. A signal file of a record is read as raw
    /// samples only where the arguments say how.
    ///
    /// # Errors
    /// As [`Origin::of`]; a file of a record without `--format`.
    pub fn origin(&self) -> Result<Origin> {
        let origin = Origin::of(&self.input)?;
        if let (Origin::File(path), None) = (&origin, self.format) {
            Place::of(path)?;
        }
        Ok(origin)
    }

    /// How a table of beats is read.
    pub fn reading(&self) -> Reading {
        Reading {
            columns: self.table.clone().unwrap_or_default(),
            normalise: self.normalise,
        }
    }

    /// Refuses what is said of samples or of a recording where rows of a table are
    /// classified: it would not be heard.
    ///
    /// # Errors
    /// Names the flag.
    pub fn of_rows(&self) -> Result<()> {
        let said = [
            ("annotator", self.annotator.is_some()),
            ("lead", self.lead.is_some()),
            ("format", self.format.is_some()),
            ("fs", self.fs.is_some()),
            ("channels", self.channels.is_some()),
            ("columns", !self.columns.is_empty()),
            ("gain", self.gain.is_some()),
            ("speed", self.speed.is_some()),
        ];
        let flag = said.iter().find(|(_, said)| *said);
        ensure!(
            flag.is_none(),
            Usage(format!(
                "--{} is of a recording, and {} is a table of beats for this model; leave it out, or name a model for recordings with --model",
                flag.map_or("", |(flag, _)| flag),
                self.input
            ))
        );
        Ok(())
    }

    /// The limits of the rhythm events.
    ///
    /// # Errors
    /// A limit that is no positive number, or a contradiction.
    pub fn thresholds(&self) -> Result<Thresholds> {
        for (flag, value, most) in [
            ("--pause", self.pause, 3600.0),
            ("--asystole", self.asystole, 3600.0),
            ("--bradycardia", self.bradycardia, 1000.0),
            ("--tachycardia", self.tachycardia, 1000.0),
        ] {
            ensure!(
                value > 0.0 && value <= most,
                Usage(format!(
                    "{flag} is {value}; it must be above 0, and {most} at most"
                ))
            );
        }
        for (flag, beats) in [("--run", self.run), ("--geminy", self.geminy)] {
            ensure!(
                beats <= MOST_BEATS,
                Usage(format!(
                    "{flag} is {beats}; {MOST_BEATS} beats at most can be asked for"
                ))
            );
        }
        ensure!(
            self.pause <= self.asystole,
            Usage(format!(
                "--pause {} is longer than --asystole {}",
                self.pause, self.asystole
            ))
        );
        ensure!(
            self.bradycardia < self.tachycardia,
            Usage(format!(
                "--bradycardia {} is not below --tachycardia {}",
                self.bradycardia, self.tachycardia
            ))
        );
        ensure!(
            self.run >= 3,
            Usage(format!("--run is {}; a run has at least 3 beats", self.run))
        );
        ensure!(
            self.geminy >= 2,
            Usage(format!(
                "--geminy is {}; a pattern needs at least 2 ventricular beats",
                self.geminy
            ))
        );
        Ok(Thresholds {
            pause: self.pause,
            asystole: self.asystole,
            run: self.run,
            geminy: self.geminy,
            bradycardia: self.bradycardia,
            tachycardia: self.tachycardia,
            ..Thresholds::default()
        })
    }

    /// How a stream's bytes are read, for a model of `leads` leads, and its
    /// sampling rate. Not for recordings, which say so themselves.
    ///
    /// # Errors
    /// A flag that is missing or makes no sense; the message names it.
    pub fn stream(&self, origin: &Origin, leads: usize) -> Result<(Format, f64)> {
        ensure!(
            self.lead.is_none(),
            Usage(format!(
                "--lead is of a recording, and {origin} is none; choose among its channels with --columns"
            ))
        );
        let Some(fs) = self.fs else {
            bail!(Usage("how many samples per second? give --fs HZ (or, for beats in the Kaggle format, a model of that layout with --model)".into()));
        };
        ensure!(
            RATES.contains(&fs),
            Usage(format!(
                "--fs is {fs:?}; it may be {} to {} Hz",
                RATES.start(),
                RATES.end()
            ))
        );
        ensure!(
            BAUD.contains(&self.baud),
            Usage(format!(
                "--baud is {}; it may be {} to {}",
                self.baud,
                BAUD.start(),
                BAUD.end()
            ))
        );
        let text = |path: &Path| path.extension().is_some_and(|e| e == "csv" || e == "txt");
        let encoding = match (self.format, origin) {
            (Some(name), _) => name.into(),
            (None, Origin::File(path)) if text(path) => Encoding::Csv,
            _ => bail!(Usage(
                "how are the samples written? give --format i16, i32, f32 or csv".into()
            )),
        };
        let gain = match (self.gain, encoding) {
            (Some(gain), _) => gain,
            (None, Encoding::F32 | Encoding::Csv) => 1.0,
            (None, Encoding::I16 | Encoding::I32) => {
                bail!(Usage("how many units are 1 mV? give --gain UNITS".into()))
            }
        };
        ensure!(
            !self.columns.contains(&0),
            Usage("--columns counts from 1; there is no column 0".into())
        );
        if let Some(column) = self.columns.iter().find(|c| **c > MOST_CHANNELS) {
            bail!(Usage(format!(
                "--columns names column {column}; a frame has 1 to {MOST_CHANNELS}"
            )));
        }
        let pick: Vec<usize> = match self.columns.is_empty() {
            true => (0..leads).collect(),
            false => self.columns.iter().map(|c| c - 1).collect(),
        };
        ensure!(
            pick.len() == leads,
            Usage(format!(
                "--columns names {} column(s), the model has {leads} lead(s)",
                pick.len()
            ))
        );
        let most = pick.iter().max().map_or(1, |c| c + 1);
        let format = Format {
            encoding,
            channels: self.channels.unwrap_or(most),
            pick,
            gain,
            baseline: self.baseline,
            lenient: origin.is_live(),
        };
        Ok((format, fs))
    }

    /// The model file.
    ///
    /// # Errors
    /// None is named and there is none in the usual places.
    pub fn model(&self) -> Result<PathBuf> {
        const NAME: &str = "resnet.onnx";
        if let Some(path) = &self.model {
            return Ok(shipped::find(path));
        }
        let beside = std::env::current_exe().ok();
        let beside = beside.and_then(|exe| Some(exe.parent()?.to_owned()));
        shipped::places()
            .into_iter()
            .flatten()
            .chain(beside)
            .map(|folder| folder.join(NAME))
            .find(|path| path.is_file())
            .with_context(|| {
                format!(
                    "no model: {NAME} is neither beside the program nor in a folder '{}' here or above the program; name one with --model, or set {} to the folder",
                    shipped::FOLDER,
                    shipped::FOLDER_VARIABLE
                )
            })
    }
}
