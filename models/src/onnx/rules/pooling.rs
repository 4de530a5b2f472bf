//! Poolings. Among equal maxima the first takes the whole gradient, as in
//! libtorch: padded windows have many.

use super::Place;
use crate::onnx::graph::{Graph, Value, int, ints};

/// Maximum over stretches of `size`.
pub(super) fn max(g: &mut Graph, name: &str, x: &Value, size: usize) -> Value {
    stretches(g, "MaxPool", name, x, size)
}

/// Mean over stretches of `size`.
pub(super) fn average(g: &mut Graph, name: &str, x: &Value, size: usize) -> Value {
    stretches(g, "AveragePool", name, x, size)
}

fn stretches(g: &mut Graph, op: &str, name: &str, x: &Value, size: usize) -> Value {
    let attributes = vec![
        ints("kernel_shape", &[1, size]),
        ints("strides", &[1, size]),
    ];
    g.node(op, name, &[x], attributes)
}

/// Mean over time, as a vector of channels.
pub(super) fn global_average(g: &mut Graph, name: &str, x: &Value) -> Value {
    global(g, "GlobalAveragePool", name, x)
}

/// Maximum over time, as a vector of channels.
pub(super) fn global_max(g: &mut Graph, name: &str, x: &Value) -> Value {
    global(g, "GlobalMaxPool", name, x)
}

fn global(g: &mut Graph, op: &str, name: &str, x: &Value) -> Value {
    let map = g.node(op, &format!("{name}.map"), &[x], vec![]);
    g.node("Flatten", name, &[&map], vec![int("axis", 1)])
}

/// The samples of every stretch are `x0..xn` with `m[k] = max(x0..xk)`. From
/// the last to the second, a sample takes the gradient if it is above
/// `m[k - 1]` and leaves it to those before it otherwise.
pub(super) fn max_gradient(g: &mut Graph, at: &Place, size: usize, x: &Value, dy: &Value) -> Value {
    let name = format!("{}.backward", at.name);
    let ((channels, count), (_, length)) = (at.map(), at.input_map());
    let x = if count * size == length {
        x.clone()
    } else {
        g.slice(&format!("{name}.whole"), x, 3, 0..count * size)
    };
    let rows = g.reshape(&format!("{name}.rows"), &x, &[channels, count, size]);
    let samples = g.split(&format!("{name}.sample"), &rows, 3, size);
    let mut maxima = vec![samples[0].clone()];
    for k in 1..size - 1 {
        let both = [&maxima[k - 1], &samples[k]];
        maxima.push(g.node("Max", &format!("{name}.max{k}"), &both, vec![]));
    }
    let mut rest = g.reshape(&format!("{name}.dy"), dy, &[channels, count, 1]);
    let mut gradients = Vec::with_capacity(size);
    for k in (1..size).rev() {
        let wins = g.above(
            &format!("{name}.wins{k}"),
            &samples[k],
            Some(&maxima[k - 1]),
        );
        let taken = g.node("Mul", &format!("{name}.taken{k}"), &[&rest, &wins], vec![]);
        rest = g.node("Sub", &format!("{name}.left{k}"), &[&rest, &taken], vec![]);
        gradients.push(taken);
    }
    gradients.push(rest);
    let in_order: Vec<&Value> = gradients.iter().rev().collect();
    let rows = g.node(
        "Concat",
        &format!("{name}.joined"),
        &in_order,
        vec![int("axis", 3)],
    );
    unpooled(g, at, size, &rows)
}

/// Every sample of a stretch takes an equal part.
pub(super) fn average_gradient(g: &mut Graph, at: &Place, size: usize, dy: &Value) -> Value {
    let name = format!("{}.backward", at.name);
    let (channels, count) = at.map();
    let column = g.reshape(&format!("{name}.dy"), dy, &[channels, count, 1]);
    let share = g.floats(
        &format!("share{size}"),
        &[size],
        &vec![1.0 / size as f32; size],
    );
    let rows = g.node("Mul", &format!("{name}.rows"), &[&column, &share], vec![]);
    unpooled(g, at, size, &rows)
}

/// `[batch, channels, count, size]` to the pooling's input map, with zeros for
/// the rest that was dropped.
fn unpooled(g: &mut Graph, at: &Place, size: usize, rows: &Value) -> Value {
    let name = format!("{}.backward", at.name);
    let ((channels, count), (_, length)) = (at.map(), at.input_map());
    let whole = count * size;
    if whole == length {
        return g.reshape(&name, rows, &[channels, 1, length]);
    }
    let map = g.reshape(&format!("{name}.map"), rows, &[channels, 1, whole]);
    g.pad_end(&name, &map, length - whole)
}

/// Every sample of a channel takes an equal part.
pub(super) fn global_average_gradient(g: &mut Graph, at: &Place, dy: &Value) -> Value {
    let name = format!("{}.backward", at.name);
    let (channels, length) = at.input_map();
    let column = g.reshape(&format!("{name}.dy"), dy, &[channels, 1, 1]);
    let share = g.floats(
        &format!("share{length}"),
        &[length],
        &vec![1.0 / length as f32; length],
    );
    g.node("Mul", &name, &[&column, &share], vec![])
}

/// The first largest sample of a channel takes the gradient.
pub(super) fn global_max_gradient(g: &mut Graph, at: &Place, x: &Value, dy: &Value) -> Value {
    let name = format!("{}.backward", at.name);
    let (channels, length) = at.input_map();
    let attributes = vec![int("axis", 3), int("keepdims", 1)];
    let winner = g.node("ArgMax", &format!("{name}.winner"), &[x], attributes);
    let wins = g.one_of(&format!("{name}.wins"), &winner, length);
    let column = g.reshape(&format!("{name}.dy"), dy, &[channels, 1, 1]);
    g.node("Mul", &name, &[&column, &wins], vec![])
}
