//! Where a gradient starts: what of the target class is differentiated.
//!
//! With logits `z`, temperature `T`, `p = softmax(z / T)` and the one-hot
//! target `e`:
//!
//! | head | gradient with respect to `z` |
//! |---|---|
//! | `z[e]` | `e` |
//! | `p[e]` | `p[e] (e - p) / T` |
//! | `ln p[e]` | `(e - p) / T` |

use crate::onnx::graph::{Graph, Value, int};

/// The number whose gradient is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// The class's logit.
    #[default]
    Logit,
    /// Its calibrated probability.
    Probability,
    /// The logarithm of that.
    LogProbability,
}

/// The gradient of `head` for the one-hot `target`, with respect to `logits`.
pub(in crate::onnx) fn gradient(
    g: &mut Graph,
    head: Head,
    logits: &Value,
    target: &Value,
    temperature: f64,
) -> Value {
    if head == Head::Logit {
        return target.clone();
    }
    let p = softmax(g, "head.probabilities", logits, temperature);
    let distance = g.node("Sub", "head.distance", &[target, &p], vec![]);
    let inverse = inverse(g, temperature);
    let log = g.node("Mul", "head.log.backward", &[&distance, &inverse], vec![]);
    if head == Head::LogProbability {
        return log;
    }
    let hit = g.node("Mul", "head.hit", &[&p, target], vec![]);
    let axis = g.integers("class.axis", &[1]);
    let hit = g.node(
        "ReduceSum",
        "head.probability",
        &[&hit, &axis],
        vec![int("keepdims", 1)],
    );
    g.node("Mul", "head.backward", &[&hit, &log], vec![])
}

/// `softmax(logits / temperature)`.
pub(in crate::onnx) fn softmax(
    g: &mut Graph,
    name: &str,
    logits: &Value,
    temperature: f64,
) -> Value {
    let inverse = inverse(g, temperature);
    let scaled = g.node(
        "Mul",
        &format!("{name}.scores"),
        &[logits, &inverse],
        vec![],
    );
    g.node("Softmax", name, &[&scaled], vec![int("axis", 1)])
}

fn inverse(g: &mut Graph, temperature: f64) -> Value {
    g.floats("temperature.inverse", &[], &[(1.0 / temperature) as f32])
}
