//! Learns the network with Adam: small enough that a plain loop does it in
//! seconds, and the same weights come out every time.

use data::pipeline::malignant::{INPUTS, KINDS, Network, UNITS};

use crate::adam::{Adam, Layer};
use crate::random::Random;

const ADAM: Adam = Adam {
    steps: 6000,
    batch: 64,
    rate: 2e-3,
    decay: 0.02,
};
/// Noise on standardised inputs, so that no single one decides.
const NOISE: f32 = 0.25;

/// A window to learn from.
#[derive(Clone, Copy)]
pub struct Example<'a> {
    pub inputs: &'a [f32; INPUTS],
    /// Index among the kinds.
    pub kind: usize,
    /// How often it is drawn.
    pub weight: f64,
}

/// A network that has learnt the examples, drawn in the seed's order.
pub fn train(examples: &[Example<'_>], seed: u64) -> Box<Network> {
    let mut random = Random::new(seed);
    let mut network = initial(examples, &mut random);
    let mut total = 0.0;
    let sums: Vec<f64> = examples
        .iter()
        .map(|example| {
            total += example.weight;
            total
        })
        .collect();
    let (mut means, mut squares) = (zero(), zero());
    for step in 0..ADAM.steps {
        let mut gradient = zero();
        for _ in 0..ADAM.batch {
            let at = random.uniform() * total;
            let at = sums.partition_point(|s| *s <= at).min(examples.len() - 1);
            let mut x = network.standardise(examples[at].inputs);
            x.iter_mut().for_each(|x| *x += NOISE * random.normal());
            back(&network, &x, examples[at].kind, &mut gradient);
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
    network
}

fn zero() -> Box<Network> {
    Box::new(Network {
        centres: [0.0; INPUTS],
        scales: [0.0; INPUTS],
        first: [[0.0; UNITS]; INPUTS],
        first_biases: [0.0; UNITS],
        second: [[0.0; UNITS]; KINDS],
        second_biases: [0.0; KINDS],
    })
}

/// What is learnt, layer by layer.
fn layers(network: &mut Network) -> [&mut [f32]; 4] {
    [
        network.first.as_flattened_mut(),
        &mut network.first_biases,
        network.second.as_flattened_mut(),
        &mut network.second_biases,
    ]
}

fn initial(examples: &[Example<'_>], random: &mut Random) -> Box<Network> {
    let mut network = zero();
    let (mut sums, mut total) = (vec![[0.0f64; 2]; INPUTS], 0.0);
    for example in examples {
        total += example.weight;
        for (sum, x) in sums.iter_mut().zip(example.inputs) {
            let x = f64::from(*x);
            sum[0] += example.weight * x;
            sum[1] += example.weight * x * x;
        }
    }
    for (i, [sum, square]) in sums.iter().enumerate() {
        let mean = sum / total;
        network.centres[i] = mean as f32;
        network.scales[i] = (square / total - mean * mean).max(1e-6).sqrt().recip() as f32;
    }
    let first = 0.5 * (2.0 / INPUTS as f32).sqrt();
    let draw = |scale: f32, w: &mut f32, random: &mut Random| *w = scale * random.normal();
    let [weights, _, out, _] = layers(&mut network);
    weights.iter_mut().for_each(|w| draw(first, w, random));
    let second = (1.0 / UNITS as f32).sqrt();
    out.iter_mut().for_each(|w| draw(second, w, random));
    network
}

/// Adds the gradient of an example's cross-entropy.
fn back(network: &Network, x: &[f32; INPUTS], kind: usize, gradient: &mut Network) {
    let (hidden, mut error) = network.forward(x);
    error[kind] -= 1.0;
    let mut down = [0.0; UNITS];
    for (k, e) in error.iter().enumerate() {
        for (unit, h) in hidden.iter().enumerate() {
            gradient.second[k][unit] += e * h;
            down[unit] += e * network.second[k][unit];
        }
        gradient.second_biases[k] += e;
    }
    for (down, h) in down.iter_mut().zip(&hidden) {
        *down = if *h > 0.0 { *down } else { 0.0 };
    }
    for (weights, x) in gradient.first.iter_mut().zip(x) {
        for (g, d) in weights.iter_mut().zip(&down) {
            *g += d * x;
        }
    }
    for (g, d) in gradient.first_biases.iter_mut().zip(&down) {
        *g += d;
    }
}
