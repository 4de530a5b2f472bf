//! What is known of a patient's beats: their amplitude and their kinds.
//!
//! A *kind* is a cluster of beats whose QRS complexes correlate, with a
//! running mean as its template. The kind with the largest faded weight is *dominant*, where premature beats weigh less; its template is what "normal for this patient" means here.
//! Nothing is learned from labels, and old beats fade: a change of gain is forgotten within some 15 beats (half of `SCALE_BEATS`), and a new kind outweighs one long dominant after some 140 (.995^n = 1/2).

use crate::signal::running::RunningOrder;
use crate::signal::vectors::dot;

/// Kinds that are told apart; the one of least weight makes room for a new one.
const KINDS: usize = 8;
/// A QRS that correlates less than this with every kind founds a new one.
const SAME_KIND: f32 = 0.9;
/// Factor on every kind's count and weight at each beat.
const FADE: f32 = 0.995;
/// A template is a running mean: a beat enters with 1/`MEMORY`, and with more
/// while few are seen.
const MEMORY: f32 = 16.0;
/// The amplitude scale is the median over this many beats.
const SCALE_BEATS: usize = 30;
/// Least amplitude in mV that is divided by, so that a flat line is not blown
/// up.
const LEAST_AMPLITUDE: f32 = 0.02;
/// ln(RR / m10) below which a beat is premature: an interval 11 % shorter than
/// the median of ten, as `EARLY` in `rhythm` has it of forty. A premature beat says little
/// about which kind is normal and does not alter a settled template, since
/// the previous T wave lies in its P wave.
const PREMATURE: f32 = -0.12;
/// What a premature beat counts towards being dominant.
const PREMATURE_WEIGHT: f32 = 0.2;
/// Beats after which a template is settled.
const SETTLED: f32 = 8.0;
/// A beat is moved onto the dominant template when it correlates at least so.
const ALIGNABLE: f32 = 0.5;
/// `p_consistency` is averaged over beats whose QRS correlates more than this
/// with the dominant template.
const TYPICAL: f32 = 0.8;
/// Where the waves lie, in seconds from the fiducial point. These windows make
/// the features: a model trained with others would be wrong without a word,
/// since the contract does not hold them. All begin to end: the beat from P to T
/// wave, the QRS, its crest, its slopes, the P wave with the segment before it,
/// the ST segment with the T wave.
const WIDE: [f64; 2] = [-0.3125, 0.4375];
const QRS: [f64; 2] = [-0.1, 0.15];
const CREST: [f64; 2] = [-0.0625, 0.07];
const SLOPE: [f64; 2] = [-0.156, 0.203];
const P_WAVE: [f64; 2] = [WIDE[0], -0.078];
const T_WAVE: [f64; 2] = [0.125, WIDE[1]];
/// Farthest alignment in seconds.
const LAG: f64 = 0.032;
/// Values of a window are limited to this many QRS amplitudes.
const LIMIT: f32 = 20.0;

/// A stretch of time relative to the fiducial point, in samples.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: isize,
    to: isize,
}

impl Stretch {
    fn seconds(from: f64, to: f64, fs: f64) -> Stretch {
        let from = (from * fs).round() as isize;
        Stretch {
            from,
            // Never empty, whatever the rate.
            to: ((to * fs).round() as isize).max(from + 2),
        }
    }

    fn len(self) -> usize {
        (self.to - self.from) as usize
    }

    /// This stretch of a slice whose fiducial point is at index `centre`.
    fn of(self, values: &[f32], centre: usize) -> &[f32] {
        let at = |offset: isize| centre.saturating_add_signed(offset);
        &values[at(self.from)..at(self.to)]
    }
}

/// How a beat compares with the patient's other beats; see
/// [`crate::pipeline::beat_feature::BeatFeature`] for each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Likeness {
    pub correlation: f32,
    pub wide_correlation: f32,
    pub residual: f32,
    pub amplitude: f32,
    pub template_amplitude: f32,
    pub width: f32,
    pub p_correlation: f32,
    pub p_residual: f32,
    pub p_consistency: f32,
    pub p_template_amplitude: f32,
    pub p_amplitude: f32,
    pub p_position: f32,
    pub share: f32,
    pub kind_previous: f32,
    pub dominant: bool,
    pub kind_correlation: f32,
    pub t_residual: f32,
    pub previous_correlation: f32,
    pub previous_share: f32,
    /// Samples by which the beat was moved onto the dominant template.
    pub lag: isize,
}

/// One kind of beat.
#[derive(Clone, Debug)]
struct Kind {
    /// Mean beat, `leads x span`, in QRS amplitudes.
    mean: Vec<f32>,
    /// Its QRS per lead with mean 0 and norm 1, for correlations.
    qrs: Vec<f32>,
    /// Faded number of beats, and the same with premature beats counted less,
    /// but for one that founded the kind.
    count: f32,
    weight: f32,
    /// Beats seen since the kind was founded.
    seen: f32,
    /// Running mean of ln(RR / m10).
    previous: f32,
}

/// The patient's amplitude and kinds of beats. Allocates only in
/// [`PatientMemory::new`].
#[derive(Clone, Debug)]
pub(crate) struct PatientMemory {
    leads: usize,
    /// Samples of a template before the fiducial point, and from it on.
    before: usize,
    after: usize,
    lag: usize,
    qrs: Stretch,
    crest: Stretch,
    slope: Stretch,
    p: Stretch,
    t: Stretch,
    wide: Stretch,
    fs: f64,
    scales: Vec<RunningOrder>,
    kinds: Vec<Kind>,
    used: usize,
    p_consistency: f32,
    p_seen: f32,
    previous: (f32, f32),
    /// `1 / norm` of the beat's QRS per lead and lag.
    norms: Vec<f32>,
    /// The dominant template before the last beat, `leads x span`.
    reference: Vec<f32>,
}

impl PatientMemory {
    /// Memory for beats of `leads` leads at `fs` Hz, whose windows reach
    /// `before` samples back and `after` samples on from the fiducial point.
    pub fn new(fs: f64, leads: usize, before: usize, after: usize) -> PatientMemory {
        let stretch = |[from, to]: [f64; 2]| Stretch::seconds(from, to, fs);
        let wide = stretch(WIDE);
        let before = before.max(wide.from.unsigned_abs());
        let after = after.max(wide.to.unsigned_abs());
        let qrs = stretch(QRS);
        let kind = Kind {
            mean: vec![0.0; leads * (before + after)],
            qrs: vec![0.0; leads * qrs.len()],
            count: 0.0,
            weight: 0.0,
            seen: 0.0,
            previous: 0.0,
        };
        let lag = (LAG * fs).round() as usize;
        PatientMemory {
            leads,
            before,
            after,
            lag,
            qrs,
            crest: stretch(CREST),
            slope: stretch(SLOPE),
            p: stretch(P_WAVE),
            t: stretch(T_WAVE),
            wide,
            fs,
            scales: vec![RunningOrder::new(SCALE_BEATS); leads],
            kinds: vec![kind; KINDS],
            used: 0,
            p_consistency: 0.0,
            p_seen: 0.0,
            previous: (1.0, 1.0),
            norms: vec![0.0; leads * (2 * lag + 1)],
            reference: vec![0.0; leads * (before + after)],
        }
    }

    /// Samples of an excerpt before the fiducial point.
    pub fn reach_before(&self) -> usize {
        self.before + self.lag
    }

    /// Samples of an excerpt from the fiducial point on.
    pub fn reach_after(&self) -> usize {
        self.after + self.lag
    }

    /// Samples of an excerpt per lead.
    pub fn reach(&self) -> usize {
        self.reach_before() + self.reach_after()
    }

    /// Forgets the patient.
    pub fn clear(&mut self) {
        self.scales.iter_mut().for_each(RunningOrder::clear);
        self.used = 0;
        self.p_consistency = 0.0;
        self.p_seen = 0.0;
        self.previous = (1.0, 1.0);
    }

    /// The dominant template of a lead as it was before the last beat, whose
    /// own shape it is for a first beat; in QRS amplitudes, with the fiducial
    /// point at index [`PatientMemory::template_before`].
    pub fn template(&self, lead: usize) -> &[f32] {
        let span = self.before + self.after;
        &self.reference[lead * span..(lead + 1) * span]
    }

    /// Samples of a template before the fiducial point.
    pub fn template_before(&self) -> usize {
        self.before
    }

    /// Brings an excerpt (`leads x reach`, in mV) to the patient's scale,
    /// compares it with what is known, and learns from it. `previous` is
    /// ln(RR / m10).
    pub fn take(&mut self, excerpt: &mut [f32], previous: f32) -> Likeness {
        let amplitude = self.normalise(excerpt);
        let matches = self.matches(excerpt);
        let mut likeness = self.compare(excerpt, &matches);
        likeness.amplitude = amplitude;
        (likeness.previous_correlation, likeness.previous_share) = self.previous;
        self.previous = (likeness.correlation, likeness.share);
        if matches.dominant.is_some() && likeness.correlation > TYPICAL {
            self.p_seen += 1.0;
            let rate = (1.0 / self.p_seen).max(1.0 / MEMORY);
            self.p_consistency += rate * (likeness.p_correlation - self.p_consistency);
        }
        self.learn(excerpt, &matches, likeness.lag, previous);
        likeness
    }

    /// Divides each lead by its running amplitude; returns the mean over leads
    /// of ln(amplitude / running amplitude).
    fn normalise(&mut self, excerpt: &mut [f32]) -> f32 {
        let (reach, centre) = (self.reach(), self.reach_before());
        let mut sum = 0.0;
        for (lead, values) in excerpt.chunks_exact_mut(reach).enumerate() {
            let amplitude = peak_to_peak(self.crest.of(values, centre)).max(LEAST_AMPLITUDE);
            let scales = &mut self.scales[lead];
            scales.push(f64::from(amplitude));
            let scale = scales.median().map_or(amplitude, |m| m as f32);
            for v in values {
                *v = (*v / scale).clamp(-LIMIT, LIMIT);
            }
            sum += (amplitude / scale).ln();
        }
        sum / self.leads as f32
    }

    /// Finds the dominant kind and the nearest one, each at its best lag.
    fn matches(&mut self, excerpt: &[f32]) -> Matches {
        let (reach, lags) = (self.reach(), 2 * self.lag + 1);
        let start = self.before.saturating_add_signed(self.qrs.from);
        let width = self.qrs.len();
        for lead in 0..self.leads {
            for lag in 0..lags {
                let at = lead * reach + start + lag;
                let qrs = &excerpt[at..at + width];
                let sum: f32 = qrs.iter().sum();
                let energy = dot(qrs, qrs) - sum * sum / width as f32;
                self.norms[lead * lags + lag] = 1.0 / (energy + TINY).sqrt();
            }
        }
        let mut matches = Matches::default();
        let mut most = -1.0;
        for (k, kind) in self.kinds[..self.used].iter().enumerate() {
            let mut best = (f32::MIN, 0);
            for lag in 0..lags {
                let sum: f32 = (0..self.leads)
                    .map(|lead| {
                        let at = lead * reach + start + lag;
                        let qrs = &kind.qrs[lead * width..(lead + 1) * width];
                        dot(qrs, &excerpt[at..at + width]) * self.norms[lead * lags + lag]
                    })
                    .sum();
                if sum > best.0 {
                    best = (sum, lag);
                }
            }
            let found = Match {
                kind: k,
                correlation: best.0 / self.leads as f32,
                lag: best.1 as isize - self.lag as isize,
            };
            if matches
                .nearest
                .is_none_or(|m| found.correlation > m.correlation)
            {
                matches.nearest = Some(found);
            }
            if kind.weight > most {
                most = kind.weight;
                matches.dominant = Some(found);
            }
        }
        matches
    }

    /// Measures the beat against the dominant template, and keeps a copy of
    /// that template.
    fn compare(&mut self, excerpt: &[f32], matches: &Matches) -> Likeness {
        let (reach, span) = (self.reach(), self.before + self.after);
        let dominant = matches.dominant;
        let lag = dominant.map_or(0, |m| if m.correlation >= ALIGNABLE { m.lag } else { 0 });
        let centre = self.reach_before().saturating_add_signed(lag);
        for lead in 0..self.leads {
            let from = lead * reach + centre - self.before;
            let template = match dominant {
                Some(m) => &self.kinds[m.kind].mean[lead * span..(lead + 1) * span],
                None => &excerpt[from..from + span],
            };
            self.reference[lead * span..(lead + 1) * span].copy_from_slice(template);
        }
        let mut likeness = Likeness {
            correlation: dominant.map_or(1.0, |m| m.correlation),
            kind_correlation: matches.nearest.map_or(1.0, |m| m.correlation),
            p_consistency: self.p_consistency,
            lag,
            ..Likeness::default()
        };
        if let Some(m) = matches.nearest.filter(|m| m.correlation >= SAME_KIND) {
            let total: f32 = self.kinds[..self.used].iter().map(|k| k.count).sum();
            let kind = &self.kinds[m.kind];
            likeness.share = kind.count / total.max(TINY);
            likeness.kind_previous = kind.previous;
            likeness.dominant = dominant.is_some_and(|d| d.kind == m.kind);
        }
        let share = 1.0 / self.leads as f32;
        for lead in 0..self.leads {
            let beat = &excerpt[lead * reach..(lead + 1) * reach];
            let template = &self.reference[lead * span..(lead + 1) * span];
            let both =
                |stretch: Stretch| (stretch.of(beat, centre), stretch.of(template, self.before));
            let (a, b) = both(self.wide);
            likeness.wide_correlation += share * correlation(a, b);
            let (a, b) = both(self.qrs);
            likeness.residual += share * root_mean_square(a, b, 0.0);
            let ratio = peak_to_peak(a).max(LEAST_RATIO) / peak_to_peak(b).max(LEAST_RATIO);
            likeness.template_amplitude += share * ratio.ln();
            let slope = self.slope.of(beat, centre);
            likeness.width += share * slope_spread(slope) / (0.1 * self.fs as f32);
            let (a, b) = both(self.p);
            likeness.p_correlation += share * correlation(a, b);
            likeness.p_residual += share * root_mean_square(a, b, mean(a) - mean(b));
            likeness.p_template_amplitude += share * peak_to_peak(b);
            likeness.p_amplitude += share * peak_to_peak(a);
            likeness.p_position += share * place_of_largest(a);
            let (a, b) = both(self.t);
            likeness.t_residual += share * root_mean_square(a, b, mean(a) - mean(b));
        }
        likeness
    }

    /// Updates the nearest kind with the beat, or founds a new one.
    fn learn(&mut self, excerpt: &[f32], matches: &Matches, lag: isize, previous: f32) {
        for kind in &mut self.kinds[..self.used] {
            kind.count *= FADE;
            kind.weight *= FADE;
        }
        let weight = if previous > PREMATURE {
            1.0
        } else {
            PREMATURE_WEIGHT
        };
        let (index, rate, lag) = match matches.nearest {
            Some(m) if m.correlation >= SAME_KIND => {
                let kind = &mut self.kinds[m.kind];
                kind.seen += 1.0;
                kind.count += 1.0;
                kind.weight += weight;
                kind.previous += (1.0 / kind.seen).max(0.5 / MEMORY) * (previous - kind.previous);
                if previous <= PREMATURE && kind.seen >= SETTLED {
                    return;
                }
                (m.kind, (1.0 / kind.seen).max(1.0 / MEMORY), m.lag)
            }
            _ => {
                let index = if self.used < KINDS {
                    self.used += 1;
                    self.used - 1
                } else {
                    least_weight(&self.kinds)
                };
                let kind = &mut self.kinds[index];
                (kind.count, kind.weight, kind.seen) = (1.0, 1.0, 1.0);
                kind.previous = previous;
                (index, 1.0, lag)
            }
        };
        let (reach, span) = (self.reach(), self.before + self.after);
        let from = self.lag.saturating_add_signed(lag);
        let width = self.qrs.len();
        let kind = &mut self.kinds[index];
        for lead in 0..self.leads {
            let mean = &mut kind.mean[lead * span..(lead + 1) * span];
            let beat = &excerpt[lead * reach + from..];
            for (m, x) in mean.iter_mut().zip(beat) {
                *m = (1.0 - rate) * *m + rate * x;
            }
            let source = self.qrs.of(mean, self.before);
            let target = &mut kind.qrs[lead * width..(lead + 1) * width];
            standardise(source, target);
        }
    }
}

/// Added to a denominator, or its least value, so that divisions stay finite.
const TINY: f32 = 1e-6;
/// Smallest normalised amplitude in a ratio.
const LEAST_RATIO: f32 = 0.05;

/// How a beat matches one kind.
#[derive(Clone, Copy, Debug)]
struct Match {
    kind: usize,
    correlation: f32,
    lag: isize,
}

/// The kinds that matter to a beat; both absent for the first beat.
#[derive(Clone, Copy, Debug, Default)]
struct Matches {
    nearest: Option<Match>,
    dominant: Option<Match>,
}

fn least_weight(kinds: &[Kind]) -> usize {
    let mut least = 0;
    for (k, kind) in kinds.iter().enumerate() {
        if kind.weight < kinds[least].weight {
            least = k;
        }
    }
    least
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

fn peak_to_peak(values: &[f32]) -> f32 {
    let (low, high) = values
        .iter()
        .fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    high - low
}

/// Pearson's correlation.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - ma, y - mb);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    ab / ((aa + TINY) * (bb + TINY)).sqrt()
}

/// Root mean square of `a - b - offset`.
fn root_mean_square(a: &[f32], b: &[f32], offset: f32) -> f32 {
    let squares = a.iter().zip(b).map(|(x, y)| (x - y - offset).powi(2));
    (squares.sum::<f32>() / a.len() as f32).sqrt()
}

/// Standard deviation in samples of the position, weighted by the slope's size.
fn slope_spread(values: &[f32]) -> f32 {
    let (mut total, mut first, mut second) = (TINY, 0.0, 0.0);
    for (j, pair) in values.windows(2).enumerate() {
        let (slope, at) = ((pair[1] - pair[0]).abs(), j as f32);
        total += slope;
        first += slope * at;
        second += slope * at * at;
    }
    let centre = first / total;
    (second / total - centre * centre).max(0.0).sqrt()
}

/// Index of the largest value divided by the length: below 1. The maximum of an
/// inverted P wave is not its peak.
fn place_of_largest(values: &[f32]) -> f32 {
    let mut at = 0;
    for (j, v) in values.iter().enumerate() {
        if *v > values[at] {
            at = j;
        }
    }
    at as f32 / values.len() as f32
}

/// `source` with mean 0 and norm 1.
fn standardise(source: &[f32], target: &mut [f32]) {
    let offset = mean(source);
    let energy: f32 = source.iter().map(|v| (v - offset).powi(2)).sum();
    let scale = 1.0 / (energy + TINY).sqrt();
    for (t, s) in target.iter_mut().zip(source) {
        *t = (s - offset) * scale;
    }
}

#[cfg(test)]
mod tests;
