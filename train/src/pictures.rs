//! The loss curve of a run.

use data::plot::{FONT, GRID, LABEL_SIZE, Painted, Picture, SERIES, TICK_SIZE, TITLE_SIZE};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::state::Epoch;

/// Training and validation loss, and the validation figures, over the epochs.
pub struct LossCurve<'a> {
    /// The finished epochs.
    pub history: &'a [Epoch],
}

impl LossCurve<'_> {
    fn best(&self) -> Option<&Epoch> {
        self.history.iter().rev().find(|e| e.best)
    }
}

/// Limits a little wider than the values.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
    if low > high {
        return 0.0..1.0;
    }
    let margin = ((high - low) * 0.06).max(1e-3);
    (low - margin)..(high + margin)
}

impl Picture for LossCurve<'_> {
    fn size(&self) -> (u32, u32) {
        (900, 720)
    }

    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B> {
        let (losses, figures) = area.split_vertically(360);
        self.panel(
            &losses,
            "Loss",
            "loss, nats",
            &[
                ("training", &|e| e.train_loss),
                ("validation", &|e| e.validation.loss),
            ],
        )?;
        self.panel(
            &figures,
            "Validation",
            "fraction",
            &[
                ("accuracy", &|e| e.validation.accuracy),
                ("macro-F1", &|e| e.validation.macro_f1),
            ],
        )
    }
}

type Curve<'a> = (&'a str, &'a dyn Fn(&Epoch) -> f64);

impl LossCurve<'_> {
    fn panel<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        title: &str,
        unit: &str,
        curves: &[Curve<'_>],
    ) -> Painted<B> {
        let last = self.history.len().max(2) as f64;
        let values = || curves.iter().flat_map(|(_, f)| self.history.iter().map(f));
        let vertical = range(values());
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, TITLE_SIZE))
            .margin(12)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(1.0..last, vertical.clone())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .x_desc("epoch")
            .y_desc(unit)
            .x_labels(self.history.len().clamp(2, 11))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.3}"))
            .label_style((FONT, TICK_SIZE))
            .axis_desc_style((FONT, LABEL_SIZE))
            .draw()?;
        if let Some(best) = self.best() {
            let x = best.epoch as f64;
            let line = [(x, vertical.start), (x, vertical.end)];
            chart
                .draw_series(LineSeries::new(line, BLACK.mix(0.35)))?
                .label(format!("best, epoch {}", best.epoch))
                .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], BLACK.mix(0.35)));
        }
        for ((name, value), colour) in curves.iter().zip(SERIES) {
            let points = self.history.iter().map(|e| (e.epoch as f64, value(e)));
            chart
                .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2))
                });
            chart.draw_series(points.map(|p| Circle::new(p, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::MiddleRight)
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .label_font((FONT, TICK_SIZE))
            .draw()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use data::plot;

    /// Losses that fall, figures that rise, the second epoch the best.
    fn history() -> Vec<Epoch> {
        let epoch = |epoch: usize| Epoch {
            epoch,
            learning_rate: 0.001,
            train_loss: 1.0 / epoch as f64,
            validation: serde_json::from_value(serde_json::json!({
                "loss": 1.5 / epoch as f64,
                "accuracy": 0.8 + 0.01 * epoch as f64,
                "macro_f1": 0.5 + 0.02 * epoch as f64,
                "f1": [0.5, 0.5, 0.5, 0.5, 0.5],
            }))
            .unwrap(),
            best: epoch == 2,
            beats_per_second: 1.0,
            seconds: 1.0,
        };
        (1..=3).map(epoch).collect()
    }

    /// Places of the dots of this colour, in the order of the epochs.
    fn dots(svg: &str, RGBColor(r, g, b): RGBColor) -> Vec<(i32, i32)> {
        let colour = format!("fill=\"#{r:02X}{g:02X}{b:02X}\"");
        let value = |tag: &str, key: &str| -> i32 {
            let (_, rest) = tag.split_once(&format!(" {key}=\"")).unwrap();
            rest.split_once('"').unwrap().0.parse().unwrap()
        };
        svg.split("<circle")
            .skip(1)
            .filter_map(|tag| tag.split_once("/>"))
            .filter(|(tag, _)| tag.contains(&colour))
            .map(|(tag, _)| (value(tag, "cx"), value(tag, "cy")))
            .collect()
    }

    #[test]
    fn curves_have_a_dot_for_each_epoch_where_its_value_lies() {
        let history = history();
        let svg = plot::svg(&LossCurve { history: &history }).unwrap();
        for text in [
            "Loss",
            "loss, nats",
            "training",
            "validation",
            "accuracy",
            "macro-F1",
            "best, epoch 2",
        ] {
            assert!(svg.contains(text), "'{text}' is missing");
        }
        // Losses in the upper panel, then figures in the lower one; y grows
        // downwards.
        let [first, second] = [dots(&svg, SERIES[0]), dots(&svg, SERIES[1])];
        assert_eq!((first.len(), second.len()), (6, 6));
        let (training, accuracy) = first.split_at(3);
        let (validation, macro_f1) = second.split_at(3);
        for falling in [training, validation] {
            assert!(falling.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
        }
        for rising in [accuracy, macro_f1] {
            assert!(rising.is_sorted_by(|a, b| a.0 < b.0 && a.1 > b.1));
        }
        let above = |a: &[(i32, i32)], b: &[(i32, i32)]| a.iter().zip(b).all(|(a, b)| a.1 < b.1);
        assert!(above(validation, training) && above(accuracy, macro_f1));
    }
}
