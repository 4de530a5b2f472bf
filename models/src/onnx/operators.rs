//! The ONNX operators (set 13) that this crate writes, each as its definition
//! says, for [`super::evaluate()`].

use super::evaluate::Dense;
use crate::messages::NodeProto;

/// Applies a node to its inputs.
pub(super) fn apply(node: &NodeProto, x: &[&Dense]) -> Result<Vec<Dense>, String> {
    let one = match (&*node.op_type, x) {
        ("Conv", [x, w]) => convolution(node, x, w, None)?,
        ("Conv", [x, w, b]) => convolution(node, x, w, Some(b))?,
        ("Gemm", [x, w, b]) => dense(node, x, w, b)?,
        ("MatMul", [a, b]) => product(a, b)?,
        ("Relu", [x]) => each(x, |v| v.max(0.0)),
        ("Sigmoid", [x]) => each(x, |v| 1.0 / (1.0 + (-v).exp())),
        ("Identity" | "Cast", [x]) => (*x).clone(),
        ("Add", [a, b]) => pairs(a, b, |a, b| a + b)?,
        ("Sub", [a, b]) => pairs(a, b, |a, b| a - b)?,
        ("Mul", [a, b]) => pairs(a, b, |a, b| a * b)?,
        ("Max", [a, b]) => pairs(a, b, f64::max)?,
        ("Greater", [a, b]) => pairs(a, b, |a, b| f64::from(a > b))?,
        ("Less", [a, b]) => pairs(a, b, |a, b| f64::from(a < b))?,
        ("Equal", [a, b]) => pairs(a, b, |a, b| f64::from(a == b))?,
        ("Where", [condition, a, b]) => {
            let a = pairs(condition, a, |c, a| if c == 0.0 { 0.0 } else { a })?;
            let b = pairs(condition, b, |c, b| if c == 0.0 { b } else { 0.0 })?;
            pairs(&a, &b, |a, b| a + b)?
        }
        ("MaxPool", [x]) => pool(node, x, maximum)?,
        ("AveragePool", [x]) => pool(node, x, mean)?,
        ("GlobalMaxPool", [x]) => whole_maps(x, maximum),
        ("GlobalAveragePool", [x]) => whole_maps(x, mean),
        ("Softmax", [x]) => rows(x, axis(node, x)?, softmax),
        ("ArgMax", [x]) => {
            let at = axis(node, x)?;
            let keep = node.integer("keepdims") == Some(1);
            let places = rows(x, at, |row| vec![first_maximum(row) as f64]);
            if keep {
                places
            } else {
                without_axis(places, at)
            }
        }
        ("ReduceSum", [x, axes]) => {
            let [at] = axes.values[..] else {
                return Err("it sums over several axes".into());
            };
            rows(x, at as usize, |row| vec![row.iter().sum()])
        }
        ("Flatten", [x]) => {
            let rows = x.shape.first().copied().unwrap_or(1);
            let columns = x.values.len() / rows.max(1);
            Dense::new(&[rows, columns], x.values.iter().copied())
        }
        ("Reshape", [x, shape]) => reshape(x, shape)?,
        ("Squeeze", [x, axes]) => {
            let axes = places(axes);
            let kept = x
                .shape
                .iter()
                .enumerate()
                .filter(|(i, _)| !axes.contains(i));
            let shape: Vec<usize> = kept.map(|(_, d)| *d).collect();
            Dense::new(&shape, x.values.iter().copied())
        }
        ("Unsqueeze", [x, axes]) => {
            let mut shape = x.shape.clone();
            places(axes).into_iter().for_each(|at| shape.insert(at, 1));
            Dense::new(&shape, x.values.iter().copied())
        }
        ("Transpose", [x]) => transpose(node, x)?,
        ("Slice", [x, start, end, axis]) => {
            let ([start], [end], [axis]) = (&start.values[..], &end.values[..], &places(axis)[..])
            else {
                return Err("it cuts along several axes".into());
            };
            rows(x, *axis, |row| {
                // Below 0 they count from the end, and beyond it is the end.
                let length = row.len() as f64;
                let place = |at: f64| if at < 0.0 { at + length } else { at };
                let place = |at: f64| place(at).clamp(0.0, length) as usize;
                row[place(*start)..place(*end)].to_vec()
            })
        }
        ("Pad", [x, pads]) => {
            let zeros = pads.values.last().map_or(0, |z| *z as usize);
            rows(x, x.shape.len() - 1, |row| {
                [row, &vec![0.0; zeros]].concat()
            })
        }
        ("Concat", parts @ [_, ..]) => join(parts, axis(node, parts[0])?),
        ("Split", [x]) => {
            let at = axis(node, x)?;
            let count = node.output.len();
            let part = |k: usize| {
                rows(x, at, |row| {
                    let length = row.len() / count;
                    row[k * length..(k + 1) * length].to_vec()
                })
            };
            return Ok((0..count).map(part).collect());
        }
        (_, inputs) => return Err(format!("unknown with {} inputs", inputs.len())),
    };
    Ok(vec![one])
}

fn places(tensor: &Dense) -> Vec<usize> {
    tensor.values.iter().map(|v| *v as usize).collect()
}

fn axis(node: &NodeProto, x: &Dense) -> Result<usize, String> {
    let axis = node.integer("axis").unwrap_or(0) as usize;
    match axis < x.shape.len() {
        true => Ok(axis),
        false => Err(format!("axis {axis} of a tensor of shape {:?}", x.shape)),
    }
}

fn each(x: &Dense, f: impl Fn(f64) -> f64) -> Dense {
    Dense::new(&x.shape, x.values.iter().map(|v| f(*v)))
}

/// Two tensors value by value; an axis of 1, or a missing first axis, is
/// repeated.
fn pairs(a: &Dense, b: &Dense, f: impl Fn(f64, f64) -> f64) -> Result<Dense, String> {
    let rank = a.shape.len().max(b.shape.len());
    let wide = |x: &Dense| [vec![1; rank - x.shape.len()], x.shape.clone()].concat();
    let (wide_a, wide_b) = (wide(a), wide(b));
    let mut shape = Vec::with_capacity(rank);
    for (&p, &q) in wide_a.iter().zip(&wide_b) {
        if p != q && p != 1 && q != 1 {
            return Err(format!("shapes {:?} and {:?}", a.shape, b.shape));
        }
        shape.push(if p == 1 { q } else { p });
    }
    let at = |index: &[usize], shape: &[usize]| {
        index
            .iter()
            .zip(shape)
            .fold(0, |at, (i, d)| at * d + if *d == 1 { 0 } else { *i })
    };
    let values = indices(&shape)
        .map(|index| f(a.values[at(&index, &wide_a)], b.values[at(&index, &wide_b)]));
    Ok(Dense::new(&shape, values.collect::<Vec<_>>()))
}

/// Every index of a tensor, in row-major order.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    (0..shape.iter().product()).map(move |mut place: usize| {
        let mut index = vec![0; shape.len()];
        for (i, d) in index.iter_mut().zip(&shape).rev() {
            (*i, place) = (place % d, place / d);
        }
        index
    })
}

/// The rows along `axis`, each replaced by what `f` makes of it, all of one
/// length.
fn rows(x: &Dense, axis: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Dense {
    let length = x.shape[axis];
    let inner: usize = x.shape[axis + 1..].iter().product();
    let outer: usize = x.shape[..axis].iter().product();
    let made: Vec<Vec<f64>> = (0..outer * inner)
        .map(|row| {
            let start = row / inner * length * inner + row % inner;
            let row: Vec<f64> = (0..length).map(|i| x.values[start + i * inner]).collect();
            f(&row)
        })
        .collect();
    let new = made.first().map_or(0, Vec::len);
    let mut shape = x.shape.clone();
    shape[axis] = new;
    let values = (0..outer).flat_map(|o| {
        let made = &made;
        (0..new).flat_map(move |i| (0..inner).map(move |n| made[o * inner + n][i]))
    });
    Dense::new(&shape, values)
}

fn without_axis(x: Dense, axis: usize) -> Dense {
    let mut shape = x.shape;
    shape.remove(axis);
    Dense::new(&shape, x.values)
}

fn maximum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn first_maximum(row: &[f64]) -> usize {
    let most = maximum(row);
    row.iter().position(|v| *v == most).unwrap_or(0)
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let most = maximum(row);
    let parts: Vec<f64> = row.iter().map(|v| (v - most).exp()).collect();
    let sum: f64 = parts.iter().sum();
    parts.iter().map(|p| p / sum).collect()
}

/// `[batch, channels, 1, length]` to `[batch, channels, 1, 1]`.
fn whole_maps(x: &Dense, f: impl Fn(&[f64]) -> f64) -> Dense {
    let along = rows(x, x.shape.len() - 1, |row| vec![f(row)]);
    let positions: usize = along.shape[2..].iter().product();
    debug_assert_eq!(positions, 1, "maps have a height of 1");
    along
}

fn pool(node: &NodeProto, x: &Dense, f: impl Fn(&[f64]) -> f64) -> Result<Dense, String> {
    match (
        node.sizes("kernel_shape").as_deref(),
        node.sizes("strides").as_deref(),
    ) {
        (Some(&[1, size]), Some(&[1, step])) if size == step => {
            let whole = |row: &[f64]| row.chunks_exact(size).map(&f).collect();
            Ok(rows(x, x.shape.len() - 1, whole))
        }
        (kernel, strides) => Err(format!("stretches of {kernel:?} every {strides:?}")),
    }
}

/// `y[o, t] = b[o] + sum_{i, j} w[o, i, j] x[i, s t + d j - p]`, on maps of
/// height 1.
fn convolution(
    node: &NodeProto,
    x: &Dense,
    w: &Dense,
    bias: Option<&Dense>,
) -> Result<Dense, String> {
    let ([batch, channels, 1, length], [outputs, inputs, 1, kernel]) = (&x.shape[..], &w.shape[..])
    else {
        return Err(format!("shapes {:?} and {:?}", x.shape, w.shape));
    };
    if channels != inputs {
        return Err(format!("{channels} channels, weights for {inputs}"));
    }
    let along = |name: &str| node.sizes(name).map_or(1, |v| v[v.len() - 1]);
    let (stride, dilation) = (along("strides"), along("dilations"));
    let pads = node.sizes("pads").unwrap_or_else(|| vec![0; 4]);
    let (before, after) = (pads[1], pads[3]);
    let reach = dilation * (kernel - 1) + 1;
    let count = (length + before + after + stride - reach) / stride;
    let mut values = Vec::with_capacity(batch * outputs * count);
    for n in 0..*batch {
        for o in 0..*outputs {
            for t in 0..count {
                let mut sum = bias.map_or(0.0, |b| b.values[o]);
                for i in 0..*channels {
                    let row = &x.values[(n * channels + i) * length..][..*length];
                    let taps = &w.values[(o * inputs + i) * kernel..][..*kernel];
                    for (j, tap) in taps.iter().enumerate() {
                        let at = (stride * t + dilation * j).checked_sub(before);
                        sum += tap * at.and_then(|at| row.get(at)).unwrap_or(&0.0);
                    }
                }
                values.push(sum);
            }
        }
    }
    Ok(Dense::new(&[*batch, *outputs, 1, count], values))
}

/// `y = x w^T + b`.
fn dense(node: &NodeProto, x: &Dense, w: &Dense, b: &Dense) -> Result<Dense, String> {
    if node.integer("transB") != Some(1) {
        return Err("another product than x w^T + b".into());
    }
    let transposed = Dense::new(&[w.shape[1], w.shape[0]], {
        let (rows, columns) = (w.shape[0], w.shape[1]);
        (0..columns).flat_map(move |c| (0..rows).map(move |r| w.values[r * columns + c]))
    });
    pairs(&product(x, &transposed)?, b, |a, b| a + b)
}

/// The matrix product over the last two axes; `b` may have none before them.
fn product(a: &Dense, b: &Dense) -> Result<Dense, String> {
    let wrong = || format!("shapes {:?} and {:?}", a.shape, b.shape);
    let (outer_a, &[rows, inner]) = a.shape.split_last_chunk().ok_or_else(wrong)?;
    let (outer_b, &[same, columns]) = b.shape.split_last_chunk().ok_or_else(wrong)?;
    if inner != same || !(outer_b.is_empty() || outer_a == outer_b) {
        return Err(wrong());
    }
    let matrices: usize = outer_a.iter().product();
    let mut values = Vec::with_capacity(matrices * rows * columns);
    for m in 0..matrices {
        let right = if outer_b.is_empty() { 0 } else { m } * inner * columns;
        for r in 0..rows {
            for c in 0..columns {
                let left = &a.values[(m * rows + r) * inner..][..inner];
                let terms = left.iter().enumerate();
                values.push(
                    terms
                        .map(|(k, v)| v * b.values[right + k * columns + c])
                        .sum(),
                );
            }
        }
    }
    Ok(Dense::new(&[outer_a, &[rows, columns]].concat(), values))
}

/// A 0 in the new shape keeps the axis as it is.
fn reshape(x: &Dense, shape: &Dense) -> Result<Dense, String> {
    let sizes = places(shape).into_iter().enumerate();
    let sizes = sizes.map(|(i, d)| match d {
        0 => x.shape.get(i).copied().unwrap_or(0),
        d => d,
    });
    let sizes: Vec<usize> = sizes.collect();
    match sizes.iter().product::<usize>() == x.values.len() {
        true => Ok(Dense::new(&sizes, x.values.iter().copied())),
        false => Err(format!("{:?} to {sizes:?}", x.shape)),
    }
}

fn transpose(node: &NodeProto, x: &Dense) -> Result<Dense, String> {
    let order = node.sizes("perm").filter(|p| p.len() == x.shape.len());
    let order = order.ok_or("no order of axes")?;
    let shape: Vec<usize> = order.iter().map(|&axis| x.shape[axis]).collect();
    let values = indices(&shape).map(|index| {
        let mut from = vec![0; index.len()];
        order
            .iter()
            .zip(&index)
            .for_each(|(&axis, &i)| from[axis] = i);
        let at = from.iter().zip(&x.shape).fold(0, |at, (i, d)| at * d + i);
        x.values[at]
    });
    Ok(Dense::new(&shape, values.collect::<Vec<_>>()))
}

/// Tensors one after the other along an axis.
fn join(parts: &[&Dense], axis: usize) -> Dense {
    let mut shape = parts[0].shape.clone();
    shape[axis] = parts.iter().map(|p| p.shape[axis]).sum();
    let outer: usize = shape[..axis].iter().product();
    let values = (0..outer).flat_map(|o| {
        parts.iter().flat_map(move |part| {
            let block = part.shape[axis..].iter().product::<usize>();
            part.values[o * block..(o + 1) * block].iter().copied()
        })
    });
    Dense::new(&shape, values)
}
