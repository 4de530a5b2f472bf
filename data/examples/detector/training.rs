//! Learns the scorer with AdamW: a plain loop is enough for so small a network,
//! and the same weights come out every time.

use data::pipeline::detector::{FEATURES, Features, Network, UNITS};

use crate::adam::{Adam, Layer};
use crate::candidates::Example;
use crate::random::Random;

const ADAM: Adam = Adam {
    steps: 30_000,
    batch: 256,
    rate: 3e-3,
    decay: 0.01,
};
/// Noise on standardised features, so that no single one decides.
const NOISE: f32 = 0.15;

/// Examples, and how often one of them is drawn.
pub struct Part {
    pub examples: Vec<Example>,
    pub share: f64,
}

/// A network that has learnt the examples, drawn in the seed's order.
pub fn train(parts: &[Part], seed: u64) -> Box<Network> {
    let mut random = Random::new(seed);
    let (centres, scales) = moments(parts);
    let mut network = initial(&mut random);
    let total: f64 = parts.iter().map(|part| part.share).sum();
    let (mut means, mut squares) = (zero(), zero());
    for step in 0..ADAM.steps {
        let mut gradient = zero();
        for _ in 0..ADAM.batch {
            let mut at = random.uniform() * total;
            let part = parts.iter().find(|part| {
                at -= part.share;
                at < 0.0
            });
            let part = part.unwrap_or(&parts[0]);
            let one = (random.uniform() * part.examples.len() as f64) as usize;
            let example = &part.examples[one];
            let mut x = example.features;
            for ((x, centre), scale) in x.iter_mut().zip(&centres).zip(&scales) {
                *x = (*x - centre) * scale + NOISE * random.normal();
            }
            back(&network, &x, example, &mut gradient);
        }
        let state = layers(&mut means).into_iter().zip(layers(&mut squares));
        let weights = layers(&mut network).into_iter().zip(layers(&mut gradient));
        for ((weights, gradient), (means, squares)) in weights.zip(state) {
            let layer = Layer {
                weights,
                gradient,
                means,
                squares,
            };
            ADAM.update(step, layer);
        }
    }
    unscale(&mut network, &centres, &scales);
    network
}

fn zero() -> Box<Network> {
    Box::new(Network {
        first: [[0.0; UNITS]; FEATURES],
        first_biases: [0.0; UNITS],
        second: [0.0; UNITS],
        second_bias: 0.0,
    })
}

/// What is learnt, layer by layer.
fn layers(network: &mut Network) -> [&mut [f32]; 4] {
    [
        network.first.as_flattened_mut(),
        &mut network.first_biases,
        &mut network.second,
        std::slice::from_mut(&mut network.second_bias),
    ]
}

fn initial(random: &mut Random) -> Box<Network> {
    let mut network = zero();
    let scale = (2.0 / FEATURES as f32).sqrt();
    let [first, _, second, _] = layers(&mut network);
    first.iter_mut().for_each(|w| *w = scale * random.normal());
    let scale = (1.0 / UNITS as f32).sqrt();
    second.iter_mut().for_each(|w| *w = scale * random.normal());
    network
}

/// Mean and inverse standard deviation of each feature, by the shares.
fn moments(parts: &[Part]) -> (Features, Features) {
    let mut sums = [[0.0f64; 2]; FEATURES];
    let mut total = 0.0;
    for part in parts {
        let weight = part.share / part.examples.len().max(1) as f64;
        total += part.share;
        for example in &part.examples {
            for (sum, x) in sums.iter_mut().zip(&example.features) {
                sum[0] += weight * f64::from(*x);
                sum[1] += weight * f64::from(*x).powi(2);
            }
        }
    }
    let centre = |i: usize| sums[i][0] / total;
    let variance = |i: usize| (sums[i][1] / total - centre(i).powi(2)).max(1e-6);
    (
        std::array::from_fn(|i| centre(i) as f32),
        std::array::from_fn(|i| variance(i).sqrt().recip() as f32),
    )
}

/// Takes centres and scales into the first layer: `w (x - c) s = (w s) x - w s c`.
fn unscale(network: &mut Network, centres: &Features, scales: &Features) {
    for ((weights, centre), scale) in network.first.iter_mut().zip(centres).zip(scales) {
        for (weight, bias) in weights.iter_mut().zip(&mut network.first_biases) {
            *weight *= scale;
            *bias -= *weight * centre;
        }
    }
}

/// Adds the gradient of an example's logistic loss.
fn back(network: &Network, x: &Features, example: &Example, gradient: &mut Network) {
    let (hidden, logit) = network.forward(x);
    let probability = 1.0 / (1.0 + (-logit).exp());
    let error = example.weight * (probability - f32::from(example.beat));
    let mut down = [0.0; UNITS];
    for i in 0..UNITS {
        gradient.second[i] += error * hidden[i];
        down[i] = if hidden[i] > 0.0 {
            error * network.second[i]
        } else {
            0.0
        };
        gradient.first_biases[i] += down[i];
    }
    gradient.second_bias += error;
    for (weights, x) in gradient.first.iter_mut().zip(x) {
        for (g, d) in weights.iter_mut().zip(&down) {
            *g += d * x;
        }
    }
}
