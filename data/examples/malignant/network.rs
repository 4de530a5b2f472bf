//! A network with one hidden layer, trained with Adam: small enough that a
//! plain loop learns it in seconds.

use crate::random::Random;

/// Kinds of window: other, ventricular tachycardia, fibrillation or flutter.
pub const KINDS: usize = 3;
/// Hidden units.
pub const UNITS: usize = 16;
/// Standardised inputs are cut off here.
pub const LIMIT: f32 = 4.0;
const STEPS: usize = 6000;
const BATCH: usize = 64;
const RATE: f32 = 2e-3;
const DECAY: f32 = 0.02;
/// Noise on standardised inputs, so that no single one decides.
const NOISE: f32 = 0.25;

/// Where a window to learn from is, its kind, and how often it is drawn.
#[derive(Clone, Copy)]
pub struct Example<'a> {
    pub inputs: &'a [f32],
    pub kind: usize,
    pub weight: f64,
}

#[derive(Clone)]
pub struct Network {
    pub mean: Vec<f32>,
    pub scale: Vec<f32>,
    /// Per unit the weights of the inputs, then the bias.
    pub first: Vec<f32>,
    /// Per kind the weights of the units, then the bias.
    pub second: Vec<f32>,
}

impl Network {
    /// Learns examples of `width` inputs.
    pub fn train(examples: &[Example<'_>], width: usize, seed: u64) -> Network {
        let mut random = Random::new(seed);
        let (mean, scale) = moments(examples, width);
        let mut network = Network {
            mean,
            scale,
            first: (0..UNITS * (width + 1))
                .map(|_| random.normal() * (2.0 / width as f32).sqrt() * 0.5)
                .collect(),
            second: (0..KINDS * (UNITS + 1))
                .map(|_| random.normal() * (1.0 / UNITS as f32).sqrt())
                .collect(),
        };
        let mut sums = Vec::with_capacity(examples.len());
        let mut total = 0.0;
        for example in examples {
            total += example.weight;
            sums.push(total);
        }
        let mut moments = [
            Adam::new(network.first.len()),
            Adam::new(network.second.len()),
        ];
        for step in 0..STEPS {
            let mut gradients = [
                vec![0.0; network.first.len()],
                vec![0.0; network.second.len()],
            ];
            for _ in 0..BATCH {
                let at = random.uniform() * total;
                let at = sums.partition_point(|s| *s <= at).min(examples.len() - 1);
                let mut x = network.standardise(examples[at].inputs);
                for x in &mut x {
                    *x += NOISE * random.normal();
                }
                network.back(&x, examples[at].kind, &mut gradients);
            }
            let progress = step as f32 / STEPS as f32;
            let rate = RATE * 0.5 * (1.0 + (std::f32::consts::PI * progress).cos());
            moments[0].step(&mut network.first, &gradients[0], rate, step);
            moments[1].step(&mut network.second, &gradients[1], rate, step);
        }
        network
    }

    fn standardise(&self, inputs: &[f32]) -> Vec<f32> {
        let terms = inputs.iter().zip(&self.mean).zip(&self.scale);
        terms
            .map(|((x, m), s)| ((x - m) * s).clamp(-LIMIT, LIMIT))
            .collect()
    }

    fn forward(&self, x: &[f32]) -> ([f32; UNITS], [f32; KINDS]) {
        let mut hidden = [0.0; UNITS];
        for (h, w) in hidden.iter_mut().zip(self.first.chunks_exact(x.len() + 1)) {
            let sum: f32 = w.iter().zip(x).map(|(w, x)| w * x).sum();
            *h = (sum + w[x.len()]).max(0.0);
        }
        let mut out = [0.0; KINDS];
        for (o, w) in out.iter_mut().zip(self.second.chunks_exact(UNITS + 1)) {
            *o = w.iter().zip(&hidden).map(|(w, h)| w * h).sum::<f32>() + w[UNITS];
        }
        let most = out.iter().fold(f32::MIN, |a, b| a.max(*b));
        let exps = out.map(|o| (o - most).exp());
        let total: f32 = exps.iter().sum();
        (hidden, exps.map(|e| e / total))
    }

    /// Probabilities of the kinds.
    pub fn predict(&self, inputs: &[f32]) -> [f32; KINDS] {
        self.forward(&self.standardise(inputs)).1
    }

    fn back(&self, x: &[f32], kind: usize, gradients: &mut [Vec<f32>; 2]) {
        let (hidden, mut error) = self.forward(x);
        error[kind] -= 1.0;
        let mut down = [0.0; UNITS];
        for (k, e) in error.iter().enumerate() {
            let row = k * (UNITS + 1);
            for u in 0..UNITS {
                gradients[1][row + u] += e * hidden[u] / BATCH as f32;
                down[u] += e * self.second[row + u];
            }
            gradients[1][row + UNITS] += e / BATCH as f32;
        }
        let width = x.len() + 1;
        for u in 0..UNITS {
            if hidden[u] <= 0.0 {
                continue;
            }
            let e = down[u] / BATCH as f32;
            let row = &mut gradients[0][u * width..(u + 1) * width];
            for (g, x) in row.iter_mut().zip(x) {
                *g += e * x;
            }
            row[width - 1] += e;
        }
    }
}

fn moments(examples: &[Example<'_>], width: usize) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![[0.0f64; 2]; width];
    let mut total = 0.0;
    for example in examples {
        total += example.weight;
        for (sum, x) in sums.iter_mut().zip(example.inputs) {
            sum[0] += example.weight * f64::from(*x);
            sum[1] += example.weight * f64::from(*x) * f64::from(*x);
        }
    }
    let pairs = sums.iter().map(|[a, b]| {
        let mean = a / total;
        let variance = (b / total - mean * mean).max(1e-6);
        (mean as f32, (1.0 / variance.sqrt()) as f32)
    });
    pairs.unzip()
}

/// Adam with decoupled weight decay.
struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    fn new(length: usize) -> Adam {
        Adam {
            first: vec![0.0; length],
            second: vec![0.0; length],
        }
    }

    fn step(&mut self, weights: &mut [f32], gradients: &[f32], rate: f32, step: usize) {
        let n = step as i32 + 1;
        let (c1, c2) = (1.0 - 0.9f32.powi(n), 1.0 - 0.999f32.powi(n));
        let state = self.first.iter_mut().zip(&mut self.second);
        for ((w, g), (m, v)) in weights.iter_mut().zip(gradients).zip(state) {
            *m += 0.1 * (g - *m);
            *v += 0.001 * (g * g - *v);
            *w -= rate * (*m / c1 / ((*v / c2).sqrt() + 1e-8) + DECAY * *w);
        }
    }
}
