//! Synthetic ECG with exact beat times and labels: data that needs no
//! download, and a test instrument.
//!
//! The model is that of McSharry, Clifford, Tarassenko and Smith, "A dynamical
//! model for generating synthetic electrocardiogram signals", IEEE Trans.
//! Biomed. Eng. 50(3), 2003. There the point (x, y) circles with the angular
//! velocity 2π/RR(t) and pulls z along
//!
//! ```text
//! dz/dt = -Σ aᵢ Δθᵢ exp(-Δθᵢ² / 2bᵢ²) - (z - z₀)
//! ```
//!
//! Along one beat the phase is linear in time and the first term integrates to
//! a sum of Gaussians of the phase; it is drawn here in that integrated form
//! (Clifford 2006, Sameni 2007), which has no step-size error at any sampling
//! rate. The baseline z₀ and the noise are added to it. What the original does
//! not have is a heart with more than one pacemaker ([`heart`]) and patients
//! who differ in the shape of every wave ([`morphology`]).

pub mod heart;
pub mod morphology;
pub mod noise;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::datasets::dataset::Annotated;
use crate::record::annotation::{Annotation, Symbol};
use crate::record::error::{Error, Result};
use crate::record::{Record, Signal};
pub use heart::{Beat, Episode, Heart, Origin, Rhythm};
pub use morphology::{Conduction, LEADS, Morphology};
pub use noise::Noise;

use morphology::{REACH, Wave};
use noise::{Disturbance, Oscillator};

/// What to synthesise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Samples per second, at least 50.
    pub fs: f64,
    /// How the heart beats.
    pub rhythm: Rhythm,
    /// How impulses reach the ventricles.
    pub conduction: Conduction,
    /// What the recording adds.
    pub noise: Noise,
    /// The patient and everything random about the recording.
    pub seed: u64,
}

impl Settings {
    /// A patient with a few premature beats of every kind.
    pub fn new(fs: f64, seed: u64) -> Settings {
        Settings {
            fs,
            rhythm: Rhythm::default(),
            conduction: Conduction::Normal,
            noise: Noise::default(),
            seed,
        }
    }

    /// A patient drawn at random from a clinic's mixture: most in sinus rhythm
    /// with few to many premature beats, some with a bundle branch block,
    /// atrial fibrillation or a pacemaker.
    pub fn patient(fs: f64, seed: u64) -> Settings {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(3);
        // Rates of premature beats vary over orders of magnitude between patients.
        let mut log_uniform = |low: f64, high: f64| -> f64 {
            (low.ln() + (high / low).ln() * rng.random::<f64>()).exp()
        };
        let mut rhythm = Rhythm {
            rate: log_uniform(52.0, 100.0),
            variation: log_uniform(0.02, 0.08),
            breaths: log_uniform(10.0, 20.0),
            atrial: log_uniform(0.003, 0.15),
            ventricular: log_uniform(0.003, 0.15),
            fusion: log_uniform(0.001, 0.03),
            runs: log_uniform(0.03, 0.3),
            geminy: log_uniform(0.0003, 0.005),
            fibrillation: 0.0,
            paced: 0.0,
        };
        let noise = Noise {
            wander: log_uniform(0.02, 0.25),
            muscle: log_uniform(0.005, 0.04),
            mains: log_uniform(0.001, 0.02),
            mains_hz: 60.0,
        };
        match rng.random::<f64>() {
            x if x < 0.06 => rhythm.fibrillation = 1.0,
            x if x < 0.14 => rhythm.fibrillation = 0.4,
            x if x < 0.20 => rhythm.paced = 1.0,
            x if x < 0.24 => rhythm.paced = 0.5,
            _ => {}
        }
        let conduction = match rng.random::<f64>() {
            x if x < 0.07 => Conduction::LeftBlock,
            x if x < 0.14 => Conduction::RightBlock,
            _ => Conduction::Normal,
        };
        Settings {
            fs,
            rhythm,
            conduction,
            noise,
            seed,
        }
    }

    /// The same patient in sinus rhythm, without a pacemaker, with at least a few
    /// premature beats; one who has them already stays as drawn.
    fn ordinary(mut self) -> Settings {
        let rhythm = &mut self.rhythm;
        (rhythm.fibrillation, rhythm.paced) = (0.0, 0.0);
        rhythm.atrial = rhythm.atrial.max(0.01);
        rhythm.ventricular = rhythm.ventricular.max(0.01);
        self
    }

    fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Invalid(format!("synthetic ECG: {what}")));
        if !(self.fs.is_finite() && self.fs >= 50.0) {
            return refuse(format!(
                "the sampling rate is {} Hz; a QRS complex needs at least 50 Hz",
                self.fs
            ));
        }
        let r = &self.rhythm;
        if !(30.0..=200.0).contains(&r.rate) {
            return refuse(format!(
                "the heart rate is {}; it must lie in 30 to 200 beats per minute",
                r.rate
            ));
        }
        let shares = [
            ("atrial", r.atrial),
            ("ventricular", r.ventricular),
            ("fusion", r.fusion),
            ("runs", r.runs),
            ("geminy", r.geminy),
            ("fibrillation", r.fibrillation),
            ("paced", r.paced),
        ];
        for (name, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return refuse(format!("{name} is {value}, not a share between 0 and 1"));
            }
        }
        let n = &self.noise;
        let sizes = [
            ("variation", r.variation),
            ("breaths", r.breaths),
            ("wander", n.wander),
            ("muscle", n.muscle),
            ("mains", n.mains),
            ("mains_hz", n.mains_hz),
        ];
        for (name, value) in sizes {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(format!("{name} is {value}; it must be 0 or more"));
            }
        }
        Ok(())
    }
}

/// A wave on its way into the signal, evaluated by recurrence: the ratio of
/// neighbouring samples of a Gaussian changes by a constant factor.
#[derive(Clone, Debug)]
struct Drawing {
    /// Samples it covers.
    first: u64,
    end: u64,
    value: f64,
    ratio: f64,
    step: f64,
    height: [f64; LEADS.len()],
}

impl Drawing {
    fn new(wave: &Wave, peak: f64, fs: f64) -> Drawing {
        let (centre, width) = ((peak + wave.offset) * fs, wave.width * fs);
        let first = (centre - REACH * width).ceil().max(0.0);
        let end = (centre + REACH * width).floor() + 1.0;
        let u = (first - centre) / width;
        let d = 1.0 / width;
        Drawing {
            first: first as u64,
            end: end.max(0.0) as u64,
            value: (-0.5 * u * u).exp(),
            ratio: (-u * d - 0.5 * d * d).exp(),
            step: (-d * d).exp(),
            height: wave.height,
        }
    }
}

/// An endless synthetic recording, made chunk by chunk. The samples do not
/// depend on how they are cut into chunks, and memory stays the same however
/// long it runs.
#[derive(Clone, Debug)]
pub struct Synthesiser<H = Heart> {
    fs: f64,
    morphology: Morphology,
    heart: H,
    /// The next beat, already planned but not yet drawn.
    planned: Option<Beat>,
    drawings: Vec<Drawing>,
    /// Annotations of beats that are drawn but not yet reached.
    pending: Vec<Annotation>,
    episode: Option<Episode>,
    disturbance: Disturbance,
    respiration: f64,
    fibrillatory_waves: FibrillatoryWaves,
    /// Samples made so far.
    sample: u64,
    frame_buffer: Vec<f64>,
}

/// The f waves of atrial fibrillation: a few incommensurate tones of 4 to 9 Hz.
#[derive(Clone, Debug)]
struct FibrillatoryWaves {
    tones: Vec<(Oscillator, f64)>,
    height: [f64; LEADS.len()],
    level: f64,
    /// Sample at which they begin or end next, with their coming level.
    switches: Vec<(u64, f64)>,
    target: f64,
    pole: f64,
}

impl FibrillatoryWaves {
    fn new(fs: f64, rng: &mut ChaCha8Rng) -> FibrillatoryWaves {
        let main = 5.0 + 2.5 * rng.random::<f64>();
        let tones = [(1.0, 0.7), (1.13, 0.35), (0.91, 0.35), (2.0, 0.2)]
            .map(|(f, a)| (Oscillator::new(main * f, 6.0 * rng.random::<f64>(), fs), a));
        let size = 0.5 + rng.random::<f64>();
        FibrillatoryWaves {
            tones: tones.to_vec(),
            height: [0.05, 0.10, 0.04].map(|h| h * size),
            level: 0.0,
            switches: Vec::new(),
            target: 0.0,
            pole: (4.0 / fs).min(1.0),
        }
    }

    fn add(&mut self, sample: u64, frame: &mut [f64]) {
        if let Some(&(at, level)) = self.switches.first()
            && sample >= at
        {
            self.target = level;
            self.switches.remove(0);
        }
        self.level += (self.target - self.level) * self.pole;
        let tones = self.tones.iter_mut();
        let value = self.level * tones.map(|(tone, a)| *a * tone.next()).sum::<f64>();
        for (x, height) in frame.iter_mut().zip(&self.height) {
            *x += height * value;
        }
    }
}

impl Synthesiser<Heart> {
    /// A recording of this patient from its first sample.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a setting out of range.
    pub fn new(settings: &Settings) -> Result<Synthesiser<Heart>> {
        let morphology = Morphology::new(settings.conduction, settings.seed);
        let heart = Heart::new(settings.rhythm, morphology.foci(), settings.seed);
        Synthesiser::with_heart(settings, heart)
    }
}

impl<H: Iterator<Item = Beat>> Synthesiser<H> {
    /// A recording whose beats are given: for tests of one rhythm. When
    /// `heart` ends, the line is flat but for the noise.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a setting out of range.
    pub fn with_heart(settings: &Settings, mut heart: H) -> Result<Synthesiser<H>> {
        settings.check()?;
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        rng.set_stream(4);
        let breaths_hz = settings.rhythm.breaths / 60.0;
        let planned = heart.next();
        Ok(Synthesiser {
            fs: settings.fs,
            morphology: Morphology::new(settings.conduction, settings.seed),
            heart,
            planned,
            drawings: Vec::new(),
            pending: Vec::new(),
            episode: None,
            disturbance: Disturbance::new(settings.noise, breaths_hz, settings.fs, settings.seed),
            respiration: std::f64::consts::TAU * breaths_hz,
            fibrillatory_waves: FibrillatoryWaves::new(settings.fs, &mut rng),
            sample: 0,
            frame_buffer: Vec::new(),
        })
    }

    /// Samples per lead made so far.
    pub fn position(&self) -> u64 {
        self.sample
    }

    /// Fills `frames` (interleaved, [`LEADS`] order, mV) with the next samples
    /// and appends the annotations that fall on them: every beat at its R
    /// peak, and each change of rhythm (`+`).
    ///
    /// A rest of `frames` that is not a whole frame is left as it is.
    pub fn fill(&mut self, frames: &mut [f32], annotations: &mut Vec<Annotation>) {
        let leads = LEADS.len();
        let count = frames.len() / leads;
        let (begin, end) = (self.sample, self.sample + count as u64);
        self.plan_until(end);
        let mut buffer = std::mem::take(&mut self.frame_buffer);
        buffer.clear();
        buffer.resize(count * leads, 0.0);
        for d in &mut self.drawings {
            let (from, to) = (d.first.max(begin), d.end.min(end));
            for n in from..to {
                let frame = &mut buffer[(n - begin) as usize * leads..][..leads];
                for (x, h) in frame.iter_mut().zip(&d.height) {
                    *x += h * d.value;
                }
                d.value *= d.ratio;
                d.ratio *= d.step;
            }
        }
        self.drawings.retain(|d| d.end > end);
        for (i, frame) in buffer.chunks_exact_mut(leads).enumerate() {
            self.fibrillatory_waves.add(begin + i as u64, frame);
            self.disturbance.add(frame);
        }
        for (out, x) in frames.iter_mut().zip(&buffer) {
            *out = *x as f32;
        }
        self.frame_buffer = buffer;
        self.sample = end;
        let due = self.pending.partition_point(|a| (a.sample as u64) < end);
        annotations.extend(self.pending.drain(..due));
    }

    /// Draws every beat whose first wave can begin before a sample.
    fn plan_until(&mut self, end: u64) {
        let lead_time = self.morphology.lead_time();
        while let Some(beat) = self.planned {
            if (beat.time - lead_time) * self.fs >= end as f64 {
                break;
            }
            self.draw(&beat);
            self.planned = self.heart.next();
        }
    }

    fn draw(&mut self, beat: &Beat) {
        let sample = (beat.time * self.fs).round().max(0.0) as u64;
        if self.episode != Some(beat.episode) {
            let fibrillates = |e| e == Some(Episode::Fibrillation);
            let (was, is) = (fibrillates(self.episode), fibrillates(Some(beat.episode)));
            if was != is {
                let onset = ((beat.time - 0.5 * beat.rr) * self.fs).max(0.0) as u64;
                self.fibrillatory_waves
                    .switches
                    .push((onset, f64::from(u8::from(is))));
            }
            self.episode = Some(beat.episode);
            let mut change = Annotation::new(sample as i64, Symbol::RHYTHM);
            change.aux_note = beat.episode.aux_note().into();
            self.pending.push(change);
        }
        let symbol = self.morphology.symbol(beat);
        self.pending.push(Annotation::new(sample as i64, symbol));
        // Breathing tilts the heart's axis: the amplitude sways lead by lead.
        let breath = (self.respiration * beat.time).sin();
        let sway = self.morphology.sway().map(|s| 1.0 + s * breath);
        let (fs, drawings) = (self.fs, &mut self.drawings);
        self.morphology.waves(beat, &mut |mut wave| {
            // A pulse narrower than the sampling can show is spread over it.
            wave.width = wave.width.max(0.4 / fs);
            wave.height.iter_mut().zip(sway).for_each(|(h, s)| *h *= s);
            drawings.push(Drawing::new(&wave, beat.time, fs));
        });
    }
}

/// One synthetic recording of `seconds` and its reference annotations.
///
/// # Errors
/// [`Error::Invalid`] for a setting or a duration out of range.
pub fn record(name: &str, settings: &Settings, seconds: f64) -> Result<(Record, Vec<Annotation>)> {
    let samples = (seconds * settings.fs).round();
    // 2^31 frames are 69 days at 360 Hz; a longer recording is streamed.
    if !(1.0..2_147_483_648.0).contains(&samples) {
        return Err(Error::Invalid(format!(
            "synthetic ECG: a recording of {seconds} s at {} Hz has no valid length",
            settings.fs
        )));
    }
    let samples = samples as usize;
    let mut source = Synthesiser::new(settings)?;
    let mut signals: Vec<Vec<f32>> = LEADS.map(|_| Vec::with_capacity(samples)).to_vec();
    let mut annotations = Vec::new();
    let mut frames = vec![0.0; LEADS.len() * 4096];
    let mut left = samples;
    while left > 0 {
        let count = left.min(frames.len() / LEADS.len());
        let chunk = &mut frames[..count * LEADS.len()];
        source.fill(chunk, &mut annotations);
        for frame in chunk.chunks_exact(LEADS.len()) {
            for (signal, value) in signals.iter_mut().zip(frame) {
                signal.push(*value);
            }
        }
        left -= count;
    }
    let signals = LEADS.iter().zip(signals).map(|(lead, samples)| Signal {
        name: (*lead).into(),
        units: "mV".into(),
        samples,
    });
    let record = Record {
        name: name.into(),
        fs: settings.fs,
        signals: signals.collect(),
        comments: vec![format!("Synthetic ECG, seed {}", settings.seed)],
    };
    Ok((record, annotations))
}

/// Synthetic patients named `s000`, `s001`, ..., each recorded for `minutes`
/// at `fs`.
///
/// # Errors
/// As [`record`].
pub fn cohort(patients: usize, minutes: f64, fs: f64, seed: u64) -> Result<Vec<Annotated>> {
    (0..patients)
        .map(|index| patient(index, minutes, fs, seed))
        .collect()
}

/// One patient of a [`cohort`]. The first is an ordinary one, whatever the seed
/// draws, so that a single recording shows what most look like.
///
/// # Errors
/// As [`record`].
pub fn patient(index: usize, minutes: f64, fs: f64, seed: u64) -> Result<Annotated> {
    // Neighbouring seeds of a cohort must not share patients.
    let seed = seed
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(index as u64);
    let mut settings = Settings::patient(fs, seed);
    if index == 0 {
        settings = settings.ordinary();
    }
    let (record, annotations) = record(&patient_name(index), &settings, minutes * 60.0)?;
    Ok(Annotated {
        record,
        annotations,
    })
}

/// The name of a patient's record: `s000`, `s001` and so on.
pub fn patient_name(index: usize) -> String {
    format!("s{index:03}")
}

#[cfg(test)]
mod tests;
