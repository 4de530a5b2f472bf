//! What a beat looks like: each wave a Gaussian, as in McSharry's model, with
//! an amplitude per lead, and a patient's own variation of all of them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::heart::{Beat, Episode, Origin};
use crate::record::annotation::Symbol;

/// The synthetic leads, in the order in which their samples are interleaved.
pub const LEADS: [&str; 3] = ["MLII", "V1", "V5"];

/// How impulses reach a patient's ventricles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduction {
    /// Through both bundle branches.
    #[default]
    Normal,
    /// Left bundle branch block.
    LeftBlock,
    /// Right bundle branch block.
    RightBlock,
}

/// One wave: a Gaussian in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wave {
    /// Its centre relative to the R peak, in seconds.
    pub offset: f64,
    /// Its standard deviation in seconds.
    pub width: f64,
    /// Its height in each lead, in mV.
    pub height: [f64; LEADS.len()],
}

const fn wave(offset: f64, width: f64, height: [f64; LEADS.len()]) -> Wave {
    Wave {
        offset,
        width,
        height,
    }
}

// Typical adult shapes at an RR interval of one second. Offsets and widths of
// the T wave scale with the square root of RR, as in ECGSYN.
const P: [Wave; 2] = [
    wave(-0.175, 0.018, [0.08, 0.07, 0.05]),
    wave(-0.150, 0.020, [0.10, -0.05, 0.08]),
];
const QRS: [Wave; 3] = [
    wave(-0.027, 0.008, [-0.12, 0.22, -0.10]),
    wave(0.0, 0.011, [1.25, 0.05, 1.45]),
    wave(0.027, 0.011, [-0.22, -1.00, -0.28]),
];
const QRS_LEFT_BLOCK: [Wave; 3] = [
    wave(-0.030, 0.017, [0.55, -0.20, 0.65]),
    wave(0.004, 0.020, [0.80, -1.10, 0.95]),
    wave(0.046, 0.022, [0.45, -0.75, 0.55]),
];
const QRS_RIGHT_BLOCK: [Wave; 3] = [
    wave(-0.020, 0.010, [-0.08, 0.30, -0.08]),
    wave(0.0, 0.012, [1.05, -0.35, 1.20]),
    wave(0.052, 0.022, [-0.42, 0.85, -0.45]),
];
const T: [Wave; 2] = [
    wave(0.240, 0.050, [0.14, 0.05, 0.16]),
    wave(0.290, 0.035, [0.22, 0.06, 0.24]),
];
const T_DISCORDANT: [Wave; 2] = [
    wave(0.260, 0.055, [-0.16, 0.22, -0.20]),
    wave(0.310, 0.038, [-0.14, 0.18, -0.16]),
];
/// Main deflection, its broad end and T wave of the two classical ectopic foci:
/// right ventricular (looks like left block) and left ventricular. Wide and
/// high, so that they stand to normal beats as in MIT-BIH DS1 and 40 records of
/// the Supraventricular Arrhythmia Database. There the envelope of the QRS band
/// (4 to 24 Hz, as the detector makes it) is, over the median of the eight
/// normal beats before, .82 in the median patient and above .44 in 95 % of
/// 8,800 ventricular beats; here it is .75 and .50 in 60 patients.
const ECTOPIC: [[Wave; 4]; 2] = [
    [
        wave(0.0, 0.022, [1.95, -1.70, 1.45]),
        wave(0.055, 0.022, [0.78, -0.68, 0.58]),
        wave(0.285, 0.060, [-0.42, 0.40, -0.35]),
        wave(0.340, 0.040, [-0.20, 0.18, -0.15]),
    ],
    [
        wave(0.0, 0.022, [-1.80, 1.70, -1.15]),
        wave(-0.055, 0.022, [-0.72, 0.68, -0.46]),
        wave(0.280, 0.058, [0.45, -0.35, 0.40]),
        wave(0.335, 0.040, [0.18, -0.15, 0.16]),
    ],
];
const PACED: [Wave; 4] = [
    wave(0.0, 0.038, [-0.95, -0.60, -0.80]),
    wave(0.060, 0.028, [-0.45, -0.40, -0.35]),
    wave(0.290, 0.060, [0.40, 0.30, 0.38]),
    wave(0.345, 0.042, [0.20, 0.12, 0.18]),
];
/// The pacemaker's pulse ahead of the QRS it makes.
const SPIKE: Wave = wave(-0.085, 0.0012, [0.70, 0.45, 0.60]);

/// Distance from the centre, in standard deviations, beyond which a wave is
/// not drawn: exp(-4.5²/2) is 40 nV of a millivolt.
pub(super) const REACH: f64 = 4.5;

/// The waves of one patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Morphology {
    conduction: Conduction,
    p: Vec<Wave>,
    /// The P wave of an atrial focus.
    p_ectopic: Vec<Wave>,
    qrs: Vec<Wave>,
    t: Vec<Wave>,
    foci: Vec<Vec<Wave>>,
    paced: Vec<Wave>,
    spike: Wave,
    /// How far respiration sways the amplitude of each lead.
    sway: [f64; LEADS.len()],
}

impl Morphology {
    /// A patient drawn at random, with one to three ventricular foci.
    pub fn new(conduction: Conduction, seed: u64) -> Morphology {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = Draw(&mut rng);
        let gain: [f64; LEADS.len()] = std::array::from_fn(|_| draw.factor(0.22));
        let (qrs, t) = match conduction {
            Conduction::Normal => (QRS, T),
            Conduction::LeftBlock => (QRS_LEFT_BLOCK, T_DISCORDANT),
            Conduction::RightBlock => (QRS_RIGHT_BLOCK, T_DISCORDANT),
        };
        let stretch = draw.factor(0.08);
        let pr = 0.012 * draw.normal();
        let p_height = draw.factor(0.3);
        let vary = |waves: &[Wave], draw: &mut Draw, stretch: f64, height: f64| -> Vec<Wave> {
            let waves = waves.iter();
            waves
                .map(|w| draw.vary(w, stretch, height, &gain))
                .collect()
        };
        let mut p = vary(&P, &mut draw, 1.0, p_height);
        p.iter_mut().for_each(|w| w.offset += pr);
        // A low atrial focus: short PR interval, often an inverted P wave.
        let sign = if draw.chance(0.5) { -0.9 } else { 0.7 };
        let mut p_ectopic = vary(&P, &mut draw, 1.0, sign * p_height);
        let earlier = 0.015 + 0.03 * draw.uniform();
        p_ectopic.iter_mut().for_each(|w| w.offset += pr + earlier);
        let qrs = vary(&qrs, &mut draw, stretch, 1.0);
        // Flat and inverted T waves are common.
        let t_height = if draw.chance(0.1) {
            -0.6
        } else {
            draw.factor(0.4)
        };
        let t = vary(&t, &mut draw, 1.0, t_height);
        let first = draw.0.random_range(0..ECTOPIC.len());
        let foci = (0..1 + draw.0.random_range(0..3))
            .map(|i| {
                let stretch = draw.factor(0.15);
                let height = draw.factor(0.25);
                vary(
                    &ECTOPIC[(first + i) % ECTOPIC.len()],
                    &mut draw,
                    stretch,
                    height,
                )
            })
            .collect();
        let stretch = draw.factor(0.1);
        let paced = vary(&PACED, &mut draw, stretch, 1.0);
        let spike = draw.vary(&SPIKE, 1.0, 1.0, &gain);
        let sway = std::array::from_fn(|_| 0.02 + 0.05 * draw.uniform());
        Morphology {
            conduction,
            p,
            p_ectopic,
            qrs,
            t,
            foci,
            paced,
            spike,
            sway,
        }
    }

    /// Number of ventricular foci.
    pub fn foci(&self) -> usize {
        self.foci.len()
    }

    pub(super) fn sway(&self) -> &[f64; LEADS.len()] {
        &self.sway
    }

    /// The WFDB symbol under which a cardiologist would annotate a beat.
    pub(super) fn symbol(&self, beat: &Beat) -> Symbol {
        let named = |mnemonic| Symbol::from_mnemonic(mnemonic).unwrap_or(Symbol::N);
        match beat.origin {
            Origin::Sinus => match self.conduction {
                Conduction::Normal => Symbol::N,
                Conduction::LeftBlock => named("L"),
                Conduction::RightBlock => named("R"),
            },
            Origin::Atrial => Symbol::A,
            Origin::Ventricular(_) => Symbol::V,
            Origin::Fusion(_) => Symbol::F,
            Origin::Paced => Symbol::PACED,
        }
    }

    /// Hands each wave of a beat to `draw`.
    pub(super) fn waves(&self, beat: &Beat, draw: &mut impl FnMut(Wave)) {
        // Repolarisation follows the rate; a premature beat's own RR counts
        // only in part, or its T wave would be absurdly near.
        let pace = (0.5 * beat.rr.clamp(0.3, 1.6) + 0.4).sqrt();
        let mut emit = |waves: &[Wave], share: f64, time_scaled: bool| {
            for w in waves {
                let late = w.offset > 0.15 && time_scaled;
                let scale = if late { pace } else { 1.0 };
                draw(Wave {
                    offset: w.offset * scale,
                    width: w.width * scale,
                    height: w.height.map(|h| h * share),
                });
            }
        };
        match beat.origin {
            Origin::Sinus => {
                if beat.episode != Episode::Fibrillation {
                    emit(&self.p, 1.0, false);
                }
                emit(&self.qrs, 1.0, false);
                emit(&self.t, 1.0, true);
            }
            Origin::Atrial => {
                emit(&self.p_ectopic, 1.0, false);
                emit(&self.qrs, 1.0, false);
                emit(&self.t, 0.9, true);
            }
            Origin::Ventricular(focus) => {
                emit(&self.foci[focus % self.foci.len()], 1.0, true);
            }
            Origin::Fusion(share) => {
                emit(&self.p, 1.0, false);
                emit(&self.qrs, 1.0 - share, false);
                emit(&self.t, 1.0 - share, true);
                emit(&self.foci[0], share, true);
            }
            Origin::Paced => {
                emit(&[self.spike], 1.0, false);
                emit(&self.paced, 1.0, true);
            }
        }
    }

    /// How long before its R peak a beat can begin, in seconds.
    pub(super) fn lead_time(&self) -> f64 {
        let all = [&self.p, &self.p_ectopic, &self.qrs, &self.paced];
        let foci = self.foci.iter().flatten();
        all.into_iter()
            .flatten()
            .chain(foci)
            .chain([&self.spike])
            .map(|w| REACH * w.width - w.offset)
            .fold(0.0, f64::max)
    }
}

/// Draws a patient's deviations from the typical shape.
struct Draw<'a>(&'a mut ChaCha8Rng);

impl Draw<'_> {
    fn normal(&mut self) -> f64 {
        StandardNormal.sample(self.0)
    }

    fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A factor around 1 whose logarithm has this standard deviation.
    fn factor(&mut self, spread: f64) -> f64 {
        (spread * self.normal()).exp()
    }

    fn vary(&mut self, w: &Wave, stretch: f64, height: f64, gain: &[f64]) -> Wave {
        let own = self.factor(0.08);
        Wave {
            offset: w.offset * stretch,
            width: w.width * stretch * self.factor(0.06),
            height: std::array::from_fn(|lead| w.height[lead] * height * own * gain[lead]),
        }
    }
}
