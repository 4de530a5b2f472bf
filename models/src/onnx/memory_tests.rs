//! Networks that remember beats: however the beats are cut, against
//! [`Reference`], and gradients with respect to every beat.

use data::pipeline::input::Layout;
use tract_onnx::prelude::{TValue, TVec, Tensor};

use super::tests::{contract_of, noise, random, run_values, weights};
use super::*;
use crate::architecture::Architecture;
use crate::reference::Reference;
use crate::untrained::random_memory;

/// Beats of a test's recording.
const BEATS: usize = 21;
/// Those that are cut in several ways, each cut a run of an engine.
const CUT_BEATS: usize = 9;

struct Case {
    network: Network,
    weights: Weights,
    contract: Contract,
    beats: Vec<f32>,
    rhythm: Vec<f32>,
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// Networks of every option with memories by chance.
fn cases() -> impl Iterator<Item = Case> {
    let architectures = random().take(5).enumerate();
    architectures.map(|(seed, architecture)| {
        let architecture = Architecture {
            memory: random_memory(seed as u64),
            ..architecture
        };
        let network = architecture.network().unwrap();
        let mut contract = contract_of(&network);
        contract.input.layout = Layout::Window;
        let (values, features) = (contract.input.window_values(), network.rhythm());
        Case {
            weights: weights(&network, 3),
            beats: noise(5, BEATS * values),
            rhythm: noise(6, BEATS * features),
            contract,
            network,
        }
    })
}

impl Case {
    fn rows<'a>(&'a self, rows: &std::ops::Range<usize>) -> (&'a [f32], &'a [f32]) {
        let (width, features) = (self.contract.input.window_values(), self.network.rhythm());
        let at = |width: usize| rows.start * width..rows.end * width;
        (&self.beats[at(width)], &self.rhythm[at(features)])
    }

    /// Beats, rhythm features and what comes last as inputs of a graph.
    fn inputs(&self, rows: &std::ops::Range<usize>, last: TValue) -> TVec<TValue> {
        let input = &self.contract.input;
        let (beats, rhythm) = self.rows(rows);
        let tensor = |shape: &[usize], values: &[f32]| -> TValue {
            Tensor::from_shape(shape, values).unwrap().into()
        };
        let mut all = TVec::new();
        let shape = [rows.len(), input.channels(), input.length()];
        all.push(tensor(&shape, beats));
        all.push(tensor(&[rows.len(), input.rhythm.len()], rhythm));
        all.push(last);
        all
    }
}

#[test]
fn the_cuts_between_beats_change_nothing() {
    for case in cases() {
        let memory = case.contract.memory.unwrap();
        let bytes = classifier(&case.network, &case.weights, &case.contract).unwrap();
        let reference = Reference::new(&case.network, &case.weights).unwrap();
        let expected = reference.sequence(&wide(&case.beats), &wide(&case.rhythm));
        let expected = expected.into_iter().take(CUT_BEATS);
        let expected: Vec<f64> = expected.flat_map(|mut v| v.pop().unwrap()).collect();
        for cut in [1, 4, CUT_BEATS] {
            let mut state = vec![0.0; memory.state];
            let mut logits = Vec::new();
            for start in (0..CUT_BEATS).step_by(cut) {
                let rows = start..CUT_BEATS.min(start + cut);
                let before = Tensor::from_shape(&[state.len()], &state).unwrap();
                // This compares with the graph by definition as well.
                let mut found = run_values(&bytes, case.inputs(&rows, before.into()));
                state = found.pop().unwrap();
                logits.append(&mut found[0]);
            }
            let scale = expected.iter().fold(1.0f64, |m, e| m.max(e.abs()));
            assert_eq!(logits.len(), expected.len());
            for (i, (f, e)) in logits.iter().zip(&expected).enumerate() {
                let error = (f64::from(*f) - e).abs() / scale;
                assert!(error < 1e-5, "cut {cut}, value {i}: {f} against {e}");
            }
        }
    }
}

#[test]
fn an_answer_depends_on_as_many_beats_as_the_contract_says() {
    for case in cases() {
        let reach = case.contract.memory.unwrap().beats;
        let reference = Reference::new(&case.network, &case.weights).unwrap();
        let last = |beats: &[f64], rhythm: &[f64]| {
            let logits = reference.sequence(beats, rhythm).pop().unwrap().pop();
            logits.unwrap()
        };
        let (beats, rhythm) = (wide(&case.beats), wide(&case.rhythm));
        let (width, features) = (beats.len() / BEATS, rhythm.len() / BEATS);
        let from = |first: usize| last(&beats[first * width..], &rhythm[first * features..]);
        let whole = from(0);
        assert_eq!(from(BEATS.saturating_sub(reach)), whole);
        if reach <= BEATS {
            assert_ne!(from(BEATS + 1 - reach), whole, "{reach} beats");
        }
    }
}

#[test]
fn the_last_beats_gradient_reaches_every_beat() {
    for case in cases() {
        let bytes = explainer(&case.network, &case.weights, &case.contract).unwrap();
        let reference = Reference::new(&case.network, &case.weights).unwrap();
        let (width, features) = (case.contract.input.window_values(), case.network.rhythm());
        let rows = 0..6;
        let (beats, rhythm) = case.rows(&rows);
        let mut targets = [NO_TARGET; 6];
        targets[5] = 2;
        let targets = Tensor::from_shape(&[6], &targets).unwrap();
        let found = run_values(&bytes, case.inputs(&rows, targets.into()));
        let (beats, rhythm) = (wide(beats), wide(rhythm));
        // Every seventh value of the windows and all features.
        let places = (0..6 * width)
            .step_by(7)
            .chain(6 * width..6 * (width + features));
        let places: Vec<usize> = places.collect();
        let found: Vec<f32> = [&found[1][..], &found[2]].concat();
        let expected =
            reference.differences(&beats, &rhythm, places.iter().copied(), 1e-6, |z| z[2]);
        let known = expected
            .iter()
            .flatten()
            .fold(0.0, |m: f64, e| m.max(e.abs()));
        assert!(known > 0.0);
        let mut compared = 0;
        for (place, expected) in places.iter().zip(&expected) {
            let Some(expected) = expected else { continue };
            let error = (f64::from(found[*place]) - expected).abs() / known;
            assert!(
                error < 1e-4,
                "{place}: {} against {expected}",
                found[*place]
            );
            compared += 1;
        }
        assert!(
            2 * compared > places.len(),
            "{compared} of {}",
            places.len()
        );
        // The beats before count, not the last one alone.
        assert!(found[..5 * width].iter().any(|v| *v != 0.0));
    }
}
