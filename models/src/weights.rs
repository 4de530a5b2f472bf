//! The values of a network's parameters, and batch norm folded into them.

use std::collections::BTreeMap;

use crate::architecture::{NORM_EPSILON, Network, Op, Parameter};

/// One parameter: a shape and its values in row-major order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Extent of each axis.
    pub shape: Vec<usize>,
    /// As many values as the shape holds.
    pub values: Vec<f32>,
}

/// Parameters and batch-norm statistics by the names that
/// [`Network::parameters`] gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(pub BTreeMap<String, Tensor>);

/// Why weights do not make a network.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A parameter has no values.
    #[error(
        "parameter {name} {shape:?} is missing; the weights belong to another architecture or are incomplete"
    )]
    Missing {
        /// Its name.
        name: String,
        /// The shape that it should have.
        shape: Vec<usize>,
    },
    /// There are values that the network has no place for.
    #[error(
        "{name} is not a parameter of this network; the weights belong to another architecture"
    )]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A parameter of another size.
    #[error(
        "parameter {name} has shape {found:?} and {values} values where the network has shape {expected:?}; the weights belong to another architecture"
    )]
    Shape {
        /// Its name.
        name: String,
        /// The shape that it should have.
        expected: Vec<usize>,
        /// The shape that it has.
        found: Vec<usize>,
        /// How many values it has.
        values: usize,
    },
    /// A NaN, an infinity, or a negative variance.
    #[error("parameter {name} holds {value} at {index}; the training diverged")]
    Value {
        /// Its name.
        name: String,
        /// The offending value.
        value: f32,
        /// Its place in row-major order.
        index: usize,
    },
}

impl Weights {
    /// The kernels of a network's first convolution, `[kernels, channels,
    /// taps]`; `None` without one.
    pub fn first_convolution(&self, network: &Network) -> Option<&Tensor> {
        let name = network.nodes.iter().find_map(|node| match &node.op {
            Op::Conv { name, .. } => Some(name),
            _ => None,
        })?;
        self.0.get(&format!("{name}.weight"))
    }

    /// Checks that these are the parameters of `network`, whole and finite.
    ///
    /// # Errors
    /// The first [`WeightsError`] found, in the order of the network.
    pub fn check(&self, network: &Network) -> Result<(), WeightsError> {
        let parameters = network.parameters();
        for Parameter { name, shape, .. } in &parameters {
            let tensor = self.get(name, shape)?;
            let variance = name.ends_with(".variance");
            let bad = |v: &f32| !v.is_finite() || (variance && *v < 0.0);
            if let Some(index) = tensor.values.iter().position(bad) {
                return Err(WeightsError::Value {
                    name: name.clone(),
                    value: tensor.values[index],
                    index,
                });
            }
        }
        let known = |name: &String| parameters.iter().any(|p| p.name == *name);
        match self.0.keys().find(|name| !known(name)) {
            Some(name) => Err(WeightsError::Unknown { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// The values of a parameter; none where it is missing.
    pub(crate) fn values(&self, name: &str) -> &[f32] {
        self.0.get(name).map_or(&[], |tensor| &tensor.values)
    }

    fn get(&self, name: &str, shape: &[usize]) -> Result<&Tensor, WeightsError> {
        let tensor = self.0.get(name).ok_or_else(|| WeightsError::Missing {
            name: name.into(),
            shape: shape.into(),
        })?;
        if tensor.shape != shape || tensor.values.len() != shape.iter().product::<usize>() {
            return Err(WeightsError::Shape {
                name: name.into(),
                expected: shape.into(),
                found: tensor.shape.clone(),
                values: tensor.values.len(),
            });
        }
        Ok(tensor)
    }

    /// The same function without batch norm: every normalised layer of
    /// `network` takes its norm's scale into its weight and its norm's shift
    /// into its bias, `w' = w g / sqrt(v + e)`, `b' = (b - m) g / sqrt(v + e) + c`,
    /// computed in f64; a norm by itself is that of `w = 1` and `b = 0`.
    ///
    /// # Errors
    /// As [`Weights::check`].
    pub fn folded(&self, network: &Network) -> Result<(Network, Weights), WeightsError> {
        self.check(network)?;
        let mut plain = network.clone();
        let mut folded = self.clone();
        for node in &mut plain.nodes {
            let (name, alone) = match &mut node.op {
                Op::Conv { name, norm, .. } | Op::Dense { name, norm } if *norm => {
                    *norm = false;
                    (name, false)
                }
                Op::Norm { name, folded } if !*folded => {
                    *folded = true;
                    (name, true)
                }
                _ => continue,
            };
            let mut take = |part: &str| {
                let tensor = folded.0.remove(&format!("{name}.{part}"));
                tensor.unwrap_or_default().values
            };
            let (gain, shift) = (take("norm.weight"), take("norm.bias"));
            let (mean, variance) = (take("norm.mean"), take("norm.variance"));
            let scale: Vec<f64> = gain
                .iter()
                .zip(&variance)
                .map(|(&g, &v)| f64::from(g) / (f64::from(v) + NORM_EPSILON).sqrt())
                .collect();
            if alone {
                // Norm of what a weight of 1 and a bias of 0 make.
                for (part, value) in [("weight", 1.0), ("bias", 0.0)] {
                    let shape = vec![scale.len()];
                    let values = vec![value; scale.len()];
                    let tensor = Tensor { shape, values };
                    folded.0.insert(format!("{name}.{part}"), tensor);
                }
            }
            if let Some(bias) = folded.0.get_mut(&format!("{name}.bias")) {
                for (i, b) in bias.values.iter_mut().enumerate() {
                    let centred = f64::from(*b) - f64::from(mean[i]);
                    *b = (centred * scale[i] + f64::from(shift[i])) as f32;
                }
            }
            if let Some(weight) = folded.0.get_mut(&format!("{name}.weight")) {
                let row = weight.values.len() / scale.len();
                for (row, s) in weight.values.chunks_exact_mut(row).zip(&scale) {
                    for w in row {
                        *w = (f64::from(*w) * s) as f32;
                    }
                }
            }
        }
        Ok((plain, folded))
    }
}
