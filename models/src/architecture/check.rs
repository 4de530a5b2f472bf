//! Whether nodes that come from a file make a network.

use super::{ArchitectureError, Network, Node, Op};

/// Far above any real network: limits on what a hostile file can ask for.
const MOST_NODES: usize = 4096;
const MOST_VALUES: usize = 1 << 24;

impl Network {
    /// Reads a network from its JSON and checks every node.
    ///
    /// # Errors
    /// [`ArchitectureError`] when the JSON is not a network, or a node refers
    /// to a later one or has another shape than its inputs give it.
    pub fn from_json(json: &str) -> Result<Network, ArchitectureError> {
        let network: Network =
            serde_json::from_str(json).map_err(|e| ArchitectureError(e.to_string()))?;
        network.check()?;
        Ok(network)
    }

    /// The network as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), ArchitectureError> {
        let refuse = |what: String| Err(ArchitectureError(what));
        if self.nodes.len() > MOST_NODES {
            return refuse(format!("{} nodes", self.nodes.len()));
        }
        for (i, node) in self.nodes.iter().enumerate() {
            let inputs: Option<Vec<&Node>> = node
                .inputs
                .iter()
                .map(|&input| self.nodes[..i].get(input))
                .collect();
            let Some(inputs) = inputs else {
                return refuse(format!("node {i} takes {:?}", node.inputs));
            };
            let size = node
                .shape
                .iter()
                .try_fold(1usize, |product, &d| product.checked_mul(d));
            if size.is_none_or(|size| size == 0 || size > MOST_VALUES) {
                return refuse(format!("node {i} has shape {:?}", node.shape));
            }
            if !fits(node, &inputs) {
                let shapes: Vec<_> = inputs.iter().map(|n| &n.shape).collect();
                return refuse(format!(
                    "node {i}, {:?}, cannot make {:?} from {shapes:?}",
                    node.op, node.shape
                ));
            }
        }
        let count = |op: &Op| self.nodes.iter().filter(|n| n.op == *op).count();
        if count(&Op::Beat) != 1 || count(&Op::Rhythm) > 1 {
            return refuse("it needs one beat input and at most one rhythm input".into());
        }
        match self.nodes.get(self.last_stage).map(|n| n.shape.len()) {
            Some(2) => Ok(()),
            _ => refuse(format!("node {} is no feature map", self.last_stage)),
        }
    }
}

/// Whether a node's shape is what its operation makes of its inputs.
fn fits(node: &Node, inputs: &[&Node]) -> bool {
    let shapes: Vec<&[usize]> = inputs.iter().map(|n| &n.shape[..]).collect();
    match (&node.op, &shapes[..], &node.shape[..]) {
        (Op::Beat, [], [_, _]) | (Op::Rhythm, [], [_]) => true,
        (
            &Op::Conv {
                kernel,
                stride,
                dilation,
                padding,
                ..
            },
            [[channels, length]],
            [outputs, out],
        ) => {
            let small = |v: usize| (1..=MOST_VALUES).contains(&v);
            small(kernel)
                && small(stride)
                && small(dilation)
                && padding <= MOST_VALUES
                && channels * outputs <= MOST_VALUES / kernel
                && (length + 2 * padding)
                    .checked_sub(dilation * (kernel - 1) + 1)
                    .is_some_and(|room| room / stride + 1 == *out)
        }
        (
            &Op::BeatConv {
                kernel, dilation, ..
            },
            [[inputs]],
            [outputs],
        ) => {
            let held = dilation.checked_mul(kernel.saturating_sub(1));
            let held = held.and_then(|beats| beats.checked_mul(*inputs));
            (2..=MOST_VALUES).contains(&kernel)
                && inputs * outputs <= MOST_VALUES / kernel
                && held.is_some_and(|held| (1..=MOST_VALUES).contains(&held))
        }
        (Op::Dense { .. }, [[inputs]], [outputs]) => inputs * outputs <= MOST_VALUES,
        (Op::Norm { .. }, [x @ [_, _]], y) => *x == y,
        (Op::Relu | Op::Sigmoid | Op::Dropout { .. }, [x], y) => *x == y,
        (Op::Gate, [map @ [channels, _], [values]], y) => *map == y && channels == values,
        (Op::Add, [a, b], y) => a == b && *a == y,
        (Op::MaxPool { size } | Op::AveragePool { size }, [[channels, length]], [c, out]) => {
            *size > 0 && channels == c && length / size == *out
        }
        (Op::GlobalAveragePool | Op::GlobalMaxPool, [[channels, _]], [c]) => channels == c,
        (Op::Flatten, [[channels, length]], [width]) => channels * length == *width,
        (Op::Concat, parts, [width]) => {
            parts.iter().all(|p| p.len() == 1) && parts.concat().iter().sum::<usize>() == *width
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;

    #[test]
    fn json_brings_a_network_back() {
        let network = Architecture::notebook().network().unwrap();
        assert_eq!(Network::from_json(&network.to_json()).unwrap(), network);
    }

    #[test]
    fn broken_networks_are_refused() {
        let refusal = |change: fn(&mut Network)| {
            let mut network = Architecture::notebook().network().unwrap();
            change(&mut network);
            Network::from_json(&network.to_json())
                .unwrap_err()
                .to_string()
        };
        assert!(refusal(|n| n.nodes[1].inputs = vec![9]).contains("node 1 takes [9]"));
        assert!(refusal(|n| n.nodes[2].shape[1] -= 1).contains("node 2"));
        assert!(
            refusal(|n| {
                if let Some(node) = n.nodes.iter_mut().find(|n| n.shape == [64]) {
                    node.op = Op::BeatConv {
                        name: "m".into(),
                        kernel: 3,
                        dilation: usize::MAX,
                    };
                }
            })
            .contains("cannot make [64]")
        );
        assert!(refusal(|n| n.nodes[0].shape = vec![usize::MAX, 3]).contains("node 0"));
        assert!(refusal(|n| n.last_stage = 1000).contains("node 1000"));
        assert!(refusal(|n| drop(n.nodes.remove(0))).contains("node"));
        assert!(
            Network::from_json("{}")
                .unwrap_err()
                .to_string()
                .contains("nodes")
        );
    }
}
