//! Adam with decoupled weight decay (Loshchilov and Hutter, 2019), and a rate
//! that falls as half a cosine.

/// What a training goes by.
pub struct Adam {
    pub steps: usize,
    pub batch: usize,
    pub rate: f32,
    pub decay: f32,
}

/// Weights, the sum of their gradients over a batch, and the running means of
/// gradients and of their squares.
pub struct Layer<'a> {
    pub weights: &'a mut [f32],
    pub gradient: &'a [f32],
    pub means: &'a mut [f32],
    pub squares: &'a mut [f32],
}

impl Adam {
    /// Step number `step`, from 0, of one layer.
    pub fn update(&self, step: usize, layer: Layer<'_>) {
        let progress = step as f32 / self.steps as f32;
        let rate = self.rate * 0.5 * (1.0 + (std::f32::consts::PI * progress).cos());
        let n = step as i32 + 1;
        let correct = (1.0 - 0.9f32.powi(n), 1.0 - 0.999f32.powi(n));
        let state = layer.means.iter_mut().zip(layer.squares);
        for ((w, g), (m, v)) in layer.weights.iter_mut().zip(layer.gradient).zip(state) {
            let g = *g / self.batch as f32;
            *m += 0.1 * (g - *m);
            *v += 0.001 * (g * g - *v);
            let step = *m / correct.0 / ((*v / correct.1).sqrt() + 1e-8);
            *w -= rate * (step + self.decay * *w);
        }
    }
}
