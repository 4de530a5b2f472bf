//! Arithmetic on slices of samples.

/// Sums that run side by side.
const LANES: usize = 8;

/// Dot product in a fixed order of additions: the same bits on every machine.
#[inline]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_rows, a_rest) = a.as_chunks();
    let (b_rows, b_rest) = b.as_chunks();
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    let [a, b, c, d, e, f, g, h] = lanes(a_rows, b_rows);
    ((a + e) + (c + g)) + ((b + f) + (d + h)) + rest
}

/// A function of its own, or the compiler would make its vectors as short as
/// the last additions in [`dot`] are.
#[inline(never)]
fn lanes(a: &[[f32; LANES]], b: &[[f32; LANES]]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    for (x, y) in a.iter().zip(b) {
        lanes = std::array::from_fn(|i| lanes[i] + x[i] * y[i]);
    }
    lanes
}
