//! `train describe`: the network of some settings, before any training.

use models::architecture::{EDGE_VALUES, Field, Network, Node, Op};

use crate::cli::Request;
use crate::error::Result;
use crate::export;
use crate::init::{self, Init};
use crate::text_table::{aligned, show};

/// Prints the network's layers and what they cost, after making sure that it
/// can be exported and run.
///
/// # Errors
/// As the training would be refused, or standard output cannot be written.
pub fn run(request: &Request) -> Result<()> {
    let settings = &request.settings;
    let input = &settings.input;
    let network = init::network(settings, Init::of(settings)?.as_ref())?;
    export::rehearse(settings, network.clone())?;
    let text = format!(
        "{}: {} x {} samples at {} Hz, {} rhythm features\n\n{}{}",
        settings.recipe.name(),
        input.channels(),
        input.length(),
        input.fs,
        input.rhythm.len(),
        table(&network, input.fs),
        caution(&network).map_or(String::new(), |text| format!("\n{text}\n"))
    );
    show(&text)
}

/// What to know of a network before it is trained, if there is something.
pub fn caution(network: &Network) -> Option<String> {
    let layer = network.beyond_edge()?;
    Some(format!(
        "{layer} is beyond the lean reader of `embedded`, which takes layers of up to {EDGE_VALUES} weights, with the zeros of a dilation, and as many values; a program without the feature any-onnx will refuse this model. Fewer channels in --blocks or --hidden, or less dilation, fit"
    ))
}

/// A row per node: its name in the ONNX graph, what it computes, the shape of
/// its result, its trainable values, its multiply-accumulates for one beat and
/// its receptive field, at `fs` samples per second or in beats; and their totals.
pub fn table(network: &Network, fs: f64) -> String {
    let (fields, beats) = (network.fields(), network.beats());
    let mut rows = vec![
        [
            "layer",
            "operation",
            "output",
            "parameters",
            "multiply-accumulates",
            "receptive field",
        ]
        .into_iter()
        .map(String::from)
        .collect(),
    ];
    for (i, node) in network.nodes.iter().enumerate() {
        rows.push(vec![
            network.name(i),
            operation(network, node),
            shape(node),
            count(network.parameters_in(node)),
            count(network.macs_of(node)),
            match (fields[i], beats[i]) {
                (Some(field), _) => seen(field, fs),
                (None, 1) => String::new(),
                (None, beats) => format!("{beats} beats"),
            },
        ]);
    }
    let total = [network.parameter_count(), network.macs()];
    let [parameters, macs] = total.map(|n| n.to_string());
    let stage = network.last_stage;
    let seen = fields[stage].map_or(String::new(), |field| seen(field, fs));
    rows.push(vec![
        "total".into(),
        format!("last map {}", network.name(stage)),
        shape(&network.nodes[stage]),
        parameters,
        macs,
        seen,
    ]);
    aligned(&rows, |column| (3..5).contains(&column))
}

fn operation(network: &Network, node: &Node) -> String {
    let inputs = |between: &str| {
        let names = node.inputs.iter().map(|&i| network.name(i));
        names.collect::<Vec<_>>().join(between)
    };
    let normalised = |norm: bool| if norm { ", norm" } else { "" };
    match &node.op {
        Op::Beat | Op::Rhythm => "input".into(),
        Op::Conv {
            kernel,
            stride,
            dilation,
            norm,
            ..
        } => {
            let mut text = format!("convolution {kernel} of {}", inputs(""));
            for (word, number) in [("stride", stride), ("dilation", dilation)] {
                if *number > 1 {
                    text += &format!(", {word} {number}");
                }
            }
            text + normalised(*norm)
        }
        Op::BeatConv {
            kernel, dilation, ..
        } => {
            let every = match dilation {
                1 => String::new(),
                beats => format!(", dilation {beats}"),
            };
            format!("convolution over {kernel} beats{every}")
        }
        Op::Dense { norm, .. } => format!("dense{}", normalised(*norm)),
        Op::Norm { .. } => "norm".into(),
        Op::Relu => "ReLU".into(),
        Op::Sigmoid => "sigmoid".into(),
        Op::Add => inputs(" + "),
        Op::Gate => inputs(" x "),
        Op::MaxPool { size } => format!("maximum of {size}"),
        Op::AveragePool { size } => format!("mean of {size}"),
        Op::GlobalAveragePool => format!("mean of {}", inputs("")),
        Op::GlobalMaxPool => format!("maximum of {}", inputs("")),
        Op::Flatten => "every position".into(),
        Op::Concat => inputs(", "),
        Op::Dropout { probability } => format!("dropout {probability}"),
    }
}

fn shape(node: &Node) -> String {
    let sizes: Vec<String> = node.shape.iter().map(usize::to_string).collect();
    sizes.join(" x ")
}

/// Nothing for nothing, so that what costs something stands out.
fn count(number: usize) -> String {
    match number {
        0 => String::new(),
        number => number.to_string(),
    }
}

fn seen(field: Field, fs: f64) -> String {
    let samples = field.size();
    let plural = if samples == 1.0 { "" } else { "s" };
    format!("{samples} sample{plural}, {:.0} ms", samples / fs * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer_syntax::BlockText;
    use crate::settings::Recipe;

    #[test]
    fn rows_add_up_to_what_the_network_has() {
        let mut settings = Recipe::InterPatient.defaults();
        let with_options = ["16x5/2-pre", "24x3~2-se4-pre", "32x3@2+2-neck4"];
        let blocks = with_options.map(|text| text.parse::<BlockText>().unwrap());
        for blocks in [settings.blocks.clone(), blocks.to_vec()] {
            settings.blocks = blocks;
            settings.memory = vec!["48x5@2".parse().unwrap()];
            let network = settings.architecture(&settings.input).network().unwrap();
            let text = table(&network, settings.input.fs);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), network.nodes.len() + 2);
            let end = lines[0].find("parameters").unwrap() + "parameters".len();
            let parameters = |line: &str| -> usize {
                let cell = line.get(..end).and_then(|l| l.rsplit("  ").next());
                cell.map_or(0, |cell| cell.trim().parse().unwrap_or(0))
            };
            let last = lines.last().unwrap();
            let rows = &lines[1..lines.len() - 1];
            let sum: usize = rows.iter().map(|line| parameters(line)).sum();
            assert_eq!(sum, network.parameter_count(), "{text}");
            assert_eq!(parameters(last), sum, "{text}");
            assert!(last.contains(&network.macs().to_string()), "{text}");
        }
        let text = table(
            &settings.architecture(&settings.input).network().unwrap(),
            128.0,
        );
        for part in [
            "convolution 3 of relu25, dilation 2, norm",
            "sigmoid",
            "mean of 2",
            "maximum of 2",
            "block1.conv2 + block1.shortcut",
            "convolution over 5 beats, dilation 2",
            "9 beats",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }
}
