//! Arithmetic on slices of samples.

/// Dot product in a fixed order of additions: the same bits on every machine.
#[inline]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_rows, a_rest) = a.as_chunks::<8>();
    let (b_rows, b_rest) = b.as_chunks::<8>();
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    let mut lanes = [0.0f32; 8];
    for (x, y) in a_rows.iter().zip(b_rows) {
        lanes = std::array::from_fn(|i| lanes[i] + x[i] * y[i]);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h)) + rest
}
