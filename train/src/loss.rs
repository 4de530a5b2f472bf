//! The loss: focal cross-entropy per sample, with optional class weights, label
//! smoothing and a teacher's answers.

use tch::{Kind, Tensor};

/// What is minimised.
#[derive(Debug)]
pub struct Loss {
    /// Focal exponent (Lin et al. 2017): a sample's loss is multiplied by
    /// `(1 - p)^gamma`, `p` its own probability of the right class; 0 is plain
    /// cross-entropy.
    pub gamma: f64,
    /// Share of a label that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// One factor per class, `[classes]`.
    pub class_weights: Option<Tensor>,
    /// Added to the logits before the loss, `[classes]`: the logarithm of how
    /// much more often a class is shown than it occurs (Menon et al. 2021,
    /// logit adjustment). The logits themselves then answer for the classes as
    /// they occur.
    pub logit_adjustment: Option<Tensor>,
    /// How much a teacher counts against the labels.
    pub distillation: Distillation,
}

/// How a teacher's answers enter the loss (Hinton et al. 2015).
#[derive(Clone, Copy, Debug)]
pub struct Distillation {
    /// Share of the teacher in the loss, 0 to 1.
    pub weight: f64,
    /// Both distributions are softened by this temperature.
    pub temperature: f64,
}

impl Loss {
    /// Mean loss of a batch: `logits` are `[N, classes]`, `labels` are `[N]`
    /// of `i64`, `teacher` holds a teacher's logits `[N, classes]`, and `weights`
    /// what each row counts, `[N]`.
    pub fn mean(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        teacher: Option<&Tensor>,
        weights: Option<&Tensor>,
    ) -> Tensor {
        let adjusted = |logits: &Tensor| match &self.logit_adjustment {
            Some(offset) => logits + offset,
            None => logits.shallow_clone(),
        };
        let logits = &adjusted(logits);
        let hard = self.focal(logits, labels, weights);
        match teacher.map(adjusted) {
            Some(teacher) if self.distillation.weight > 0.0 => {
                let Distillation {
                    weight,
                    temperature,
                } = self.distillation;
                let target = (teacher / temperature).log_softmax(-1, Kind::Float);
                let answer = (logits / temperature).log_softmax(-1, Kind::Float);
                let divergence =
                    (target.exp() * (&target - answer)).sum_dim_intlist(-1, false, Kind::Float);
                // Gradients of softened logits shrink with the square of the
                // temperature; the factor undoes that.
                let soft = mean_of(divergence, weights) * (temperature * temperature);
                hard * (1.0 - weight) + soft * weight
            }
            _ => hard,
        }
    }

    fn focal(&self, logits: &Tensor, labels: &Tensor, weights: Option<&Tensor>) -> Tensor {
        let log_p = logits.log_softmax(-1, Kind::Float);
        let own = log_p.gather(1, &labels.unsqueeze(1), false).squeeze_dim(1);
        let mut loss = -&own;
        if self.label_smoothing > 0.0 {
            let even = -log_p.mean_dim(-1, false, Kind::Float);
            loss = loss * (1.0 - self.label_smoothing) + even * self.label_smoothing;
        }
        if self.gamma > 0.0 {
            // The clamp keeps the gradient of the power finite at p = 1.
            let rest: Tensor = 1.0 - own.exp();
            let rest = rest.clamp_min(1e-8);
            loss = &loss * rest.pow_tensor_scalar(self.gamma);
        }
        let of_class = self.class_weights.as_ref();
        let of_class = of_class.map(|of_class| of_class.index_select(0, labels));
        match (of_class, weights) {
            (Some(of_class), Some(weights)) => mean_of(loss, Some(&(of_class * weights))),
            (of_class, weights) => mean_of(loss, of_class.as_ref().or(weights)),
        }
    }
}

/// The mean over the rows, by what each counts.
fn mean_of(loss: Tensor, weights: Option<&Tensor>) -> Tensor {
    match weights {
        None => loss.mean(Kind::Float),
        Some(weights) => (loss * weights).sum(Kind::Float) / weights.sum(Kind::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    const LOGITS: [[f64; 3]; 2] = [[2.0, -1.0, 0.5], [0.1, 0.3, -0.7]];
    const LABELS: [usize; 2] = [0, 2];

    fn softmax(row: &[f64; 3], temperature: f64) -> [f64; 3] {
        let e = row.map(|x| (x / temperature).exp());
        let sum: f64 = e.iter().sum();
        e.map(|x| x / sum)
    }

    fn plain() -> Loss {
        Loss {
            gamma: 0.0,
            label_smoothing: 0.0,
            class_weights: None,
            logit_adjustment: None,
            distillation: Distillation {
                weight: 0.0,
                temperature: 1.0,
            },
        }
    }

    fn compute(loss: &Loss, teacher: Option<&Tensor>) -> f64 {
        let flat: Vec<f32> = LOGITS.iter().flatten().map(|&x| x as f32).collect();
        let labels = LABELS.map(|l| l as i64);
        loss.mean(
            &Tensor::from_slice(&flat).view([2, 3]),
            &Tensor::from_slice(&labels),
            teacher,
            None,
        )
        .double_value(&[])
    }

    fn own(i: usize) -> f64 {
        softmax(&LOGITS[i], 1.0)[LABELS[i]]
    }

    #[test]
    fn focal_factor_is_each_samples_own() {
        let loss = Loss {
            gamma: 2.0,
            ..plain()
        };
        let expected = (0..2)
            .map(|i| -(1.0 - own(i)).powi(2) * own(i).ln())
            .sum::<f64>()
            / 2.0;
        assert!((compute(&loss, None) - expected).abs() < 1e-6);
    }

    #[test]
    fn class_weights_give_a_weighted_mean() {
        let weights = [1.0_f32, 5.0, 3.0];
        let loss = Loss {
            class_weights: Some(Tensor::from_slice(&weights)),
            ..plain()
        };
        let expected = (-own(0).ln() - 3.0 * own(1).ln()) / 4.0;
        assert!((compute(&loss, None) - expected).abs() < 1e-6);
    }

    #[test]
    fn rows_count_by_their_weights_and_those_of_their_classes() {
        let flat: Vec<f32> = LOGITS.iter().flatten().map(|&x| x as f32).collect();
        let logits = Tensor::from_slice(&flat).view([2, 3]);
        let labels = Tensor::from_slice(&LABELS.map(|l| l as i64));
        let rows = Tensor::from_slice(&[0.5_f32, 0.2]);
        let loss = Loss {
            class_weights: Some(Tensor::from_slice(&[1.0_f32, 5.0, 3.0])),
            ..plain()
        };
        for (loss, weights) in [(plain(), [0.5, 0.2]), (loss, [0.5, 0.6])] {
            let found = loss.mean(&logits, &labels, None, Some(&rows));
            let [a, b] = weights;
            let expected = (-a * own(0).ln() - b * own(1).ln()) / (a + b);
            assert!((found.double_value(&[]) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn smoothing_spreads_a_label() {
        let loss = Loss {
            label_smoothing: 0.3,
            ..plain()
        };
        let cross_entropy = |i: usize| {
            let p = softmax(&LOGITS[i], 1.0);
            (0..3)
                .map(|c| {
                    let target = 0.1 + if c == LABELS[i] { 0.7 } else { 0.0 };
                    -target * p[c].ln()
                })
                .sum::<f64>()
        };
        let expected = (cross_entropy(0) + cross_entropy(1)) / 2.0;
        assert!((compute(&loss, None) - expected).abs() < 1e-6);
    }

    #[test]
    fn a_teacher_adds_its_divergence() {
        let teacher = [[0.5, 0.5, 3.0], [1.0, 0.0, 0.0]];
        let flat: Vec<f32> = teacher.iter().flatten().map(|&x| x as f32).collect();
        let loss = Loss {
            distillation: Distillation {
                weight: 0.25,
                temperature: 2.0,
            },
            ..plain()
        };
        let divergence = |i: usize| {
            let (target, answer) = (softmax(&teacher[i], 2.0), softmax(&LOGITS[i], 2.0));
            (0..3)
                .map(|c| target[c] * (target[c] / answer[c]).ln())
                .sum::<f64>()
        };
        let hard = -(own(0).ln() + own(1).ln()) / 2.0;
        let soft = 4.0 * (divergence(0) + divergence(1)) / 2.0;
        let expected = 0.75 * hard + 0.25 * soft;
        let found = compute(&loss, Some(&Tensor::from_slice(&flat).view([2, 3])));
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }

    #[test]
    fn a_sure_and_right_answer_has_a_finite_gradient() {
        let logits = Tensor::from_slice(&[90.0_f32, -90.0, -90.0])
            .view([1, 3])
            .set_requires_grad(true);
        let labels = Tensor::zeros([1], (Kind::Int64, Device::Cpu));
        for gamma in [0.5, 2.0] {
            let loss = Loss { gamma, ..plain() }.mean(&logits, &labels, None, None);
            let gradient = Tensor::run_backward(&[&loss], &[&logits], false, false);
            assert!(
                gradient[0].isfinite().all().int64_value(&[]) == 1,
                "{gamma}"
            );
        }
    }
}
