//! Model files with operators that the lean reader does not know: what
//! tract-onnx makes of them, and what is said where there is no tract-onnx.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use data::pipeline::input::InputSpec;
use embedded::{Classifier, Engine};
use models::messages::{GraphProto, ModelProto, NodeProto};
use models::{seal, untrained};
use prost::Message;

fn model(input: &InputSpec) -> Vec<u8> {
    untrained::classifier_for(input, 1).unwrap()
}

/// A model file with another graph, sealed again.
fn changed(file: &[u8], change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let mut model = ModelProto::decode(file).unwrap();
    change(model.graph.as_mut().unwrap());
    seal::seal(&model.encode_to_vec()).unwrap()
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(|i| (*i).into()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    }
}

/// Turns the sign of the logits twice, by `op`.
fn twice(op: &'static str) -> impl Fn(&mut GraphProto) {
    move |graph| {
        let last = graph.node.iter().position(|n| n.output == ["logits"]);
        let last = last.unwrap();
        graph.node[last].output[0] = "before".into();
        let turned = [
            node(op, &["before"], "turned"),
            node(op, &["turned"], "logits"),
        ];
        graph.node.splice(last + 1..last + 1, turned);
    }
}

fn load(file: &[u8]) -> embedded::Result<Classifier> {
    Classifier::from_bytes(file, Path::new("foreign.onnx"))
}

fn refusal(file: &[u8]) -> String {
    let error: &dyn std::error::Error = &load(file).err().expect("a model that must be refused");
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

#[cfg(not(feature = "any-onnx"))]
#[test]
fn without_tract_onnx_operator_and_remedy_are_named() {
    let told = refusal(&changed(&model(&InputSpec::window()), twice("Neg")));
    for part in ["foreign.onnx", "turned (Neg)", "any-onnx", "`train`"] {
        assert!(told.contains(part), "{part} in: {told}");
    }
    let lean = load(&model(&InputSpec::window())).unwrap();
    assert_eq!(lean.engine(), Engine::Lean);
}

#[cfg(feature = "any-onnx")]
mod with_tract_onnx {
    use std::process::Command;

    use embedded::Prediction;
    use models::messages::{AttributeProto, AttributeType, DataType, TensorProto};

    use super::*;

    /// Numbers between -1 and 1 that repeat.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        let numbers = (0..count).map(|i| ((i * 37 + seed * 101) % 199) as f32 / 99.5 - 1.0);
        numbers.collect()
    }

    fn answer(model: &mut Classifier, seed: usize) -> Prediction {
        let input = &model.contract().input;
        let window = numbers(input.window_values(), seed);
        let rhythm = numbers(input.rhythm.len(), seed + 1);
        model.classify_beat(&window, &rhythm).unwrap()
    }

    #[test]
    fn a_foreign_operator_is_computed_with_the_same_answers() {
        let two_leads = InputSpec {
            leads: vec!["MLII".into(), "V1".into()],
            ..InputSpec::window()
        };
        for input in [InputSpec::window(), two_leads, InputSpec::kaggle()] {
            let file = model(&input);
            let mut lean = load(&file).unwrap();
            let mut foreign = load(&changed(&file, twice("Neg"))).unwrap();
            assert_eq!(lean.engine(), Engine::Lean);
            assert_eq!(foreign.engine(), Engine::TractOnnx);
            assert_eq!(foreign.contract(), lean.contract());
            for seed in 0..20 {
                let (expected, found) = (answer(&mut lean, seed), answer(&mut foreign, seed));
                assert_eq!(found.decision.class, expected.decision.class);
                assert_eq!(found.decision.rejected(), expected.decision.rejected());
                let found = found.logits.iter().chain(&found.probabilities);
                let expected = expected.logits.iter().chain(&expected.probabilities);
                for (found, expected) in found.zip(expected) {
                    assert!((found - expected).abs() < 1e-4, "{found} {expected}");
                }
            }
        }
    }

    fn int(name: &str, i: i64) -> AttributeProto {
        AttributeProto {
            name: name.into(),
            r#type: AttributeType::Int as i32,
            i,
            ..AttributeProto::default()
        }
    }

    /// An LSTM with a step per channel, few enough that it forgets nothing, its
    /// last state as logits.
    fn recurrent(graph: &mut GraphProto) {
        let classes = 5;
        let constant = |name: &str, kind: DataType, dims: &[usize], raw_data| TensorProto {
            name: name.into(),
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type: kind as i32,
            raw_data,
        };
        let weights = |name, dims: &[usize]| {
            let values = numbers(dims.iter().product(), 3).into_iter();
            constant(
                name,
                DataType::Float,
                dims,
                values.flat_map(f32::to_le_bytes).collect(),
            )
        };
        let length = InputSpec::window().length();
        graph.initializer = vec![
            weights("w", &[1, 4 * classes, length]),
            weights("r", &[1, 4 * classes, classes]),
            constant("first", DataType::Int64, &[1], 0i64.to_le_bytes().into()),
        ];
        let ints = |name: &str, ints: &[i64]| AttributeProto {
            name: name.into(),
            r#type: AttributeType::Ints as i32,
            ints: ints.into(),
            ..AttributeProto::default()
        };
        let mut steps = node("Transpose", &["beat"], "steps");
        steps.attribute = vec![ints("perm", &[1, 0, 2])];
        let mut lstm = node("LSTM", &["steps", "w", "r"], "");
        lstm.output.push("last".into());
        lstm.attribute = vec![int("hidden_size", classes as i64)];
        let logits = node("Squeeze", &["last", "first"], "logits");
        let softmax = node("Softmax", &["logits"], "probabilities");
        graph.node = vec![steps, lstm, logits, softmax];
    }

    #[test]
    fn a_network_with_a_memory_begins_every_beat_anew() {
        let file = changed(&model(&InputSpec::window()), recurrent);
        let mut model = load(&file).unwrap();
        assert_eq!(model.engine(), Engine::TractOnnx);
        let first = answer(&mut model, 1);
        assert_ne!(answer(&mut model, 2), first);
        assert_eq!(answer(&mut model, 1), first);
        assert_eq!(answer(&mut load(&file).unwrap(), 1), first);
    }

    #[test]
    fn seal_and_contract_are_checked_all_the_same() {
        let file = changed(&model(&InputSpec::window()), twice("Neg"));
        let mut damaged = file.clone();
        damaged[file.len() / 2] ^= 1;
        assert!(refusal(&damaged).contains("damaged or was changed"));
        let told = |change: &dyn Fn(&mut GraphProto)| refusal(&changed(&file, change));
        assert!(told(&|g| g.input[0].name = "target".into()).contains("no input 'target'"));
        assert!(told(&|g| drop(g.input.pop())).contains("needs the input 'rhythm'"));
        assert!(told(&|g| g.output[0].name = "scores".into()).contains("output 'logits'"));
        let wide = told(&|g| {
            let last = g.node.iter_mut().find(|n| n.output == ["logits"]).unwrap();
            last.op_type = "Concat".into();
            last.input.push("before".into());
            last.attribute.push(int("axis", 1));
        });
        assert!(wide.contains("the output 'logits' is 5 numbers"), "{wide}");
    }

    #[test]
    fn what_no_engine_knows_is_refused_by_both() {
        let file = model(&InputSpec::window());
        let told = refusal(&changed(&file, twice("Heartbeat")));
        for part in ["lean reader: turned (Heartbeat)", "tract-onnx: "] {
            assert!(told.contains(part), "{part} in: {told}");
        }
        // An output that no node makes.
        let told = refusal(&changed(&file, |g| {
            twice("Neg")(g);
            g.node.pop();
        }));
        assert!(told.contains("tract-onnx: "), "{told}");
        // A constant in the place of an input.
        let told = refusal(&changed(&file, |g| {
            twice("Neg")(g);
            let mut constant = g.initializer[0].clone();
            constant.name = "rhythm".into();
            g.initializer.push(constant);
        }));
        assert!(told.contains("'rhythm' is not an input"), "{told}");
    }

    #[test]
    fn the_program_says_which_engine_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = model(&InputSpec::kaggle());
        let rows = [numbers(187, 1), numbers(187, 2)].map(|row| {
            let cells = row.iter().map(|v| (v.abs()).to_string());
            cells.chain(["0".into()]).collect::<Vec<_>>().join(",")
        });
        std::fs::write(folder.path().join("beats.csv"), rows.join("\n")).unwrap();
        let run = |name: &str, file: &[u8]| {
            std::fs::write(folder.path().join(name), file).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_embedded"))
                .current_dir(folder.path())
                .args(["beats.csv", "--model", name])
                .output()
                .unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            assert!(output.status.success(), "{}", text(output.stderr));
            let out = text(output.stdout);
            (out, text(output.stderr))
        };
        let (lean, said) = run("lean.onnx", &file);
        assert!(!said.contains("lean.onnx"), "{said}");
        let (foreign, said) = run("foreign.onnx", &changed(&file, twice("Neg")));
        assert!(
            said.contains("foreign.onnx") && said.contains("tract-onnx"),
            "{said}"
        );
        let classes = |out: &str| -> Vec<String> {
            let class = |line: &str| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["class"].to_string()
            };
            out.lines().map(class).collect()
        };
        assert_eq!(classes(&foreign), classes(&lean));
        assert_eq!(lean.lines().count(), 2);
    }
}
