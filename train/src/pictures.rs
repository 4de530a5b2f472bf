//! Pictures of a run: the loss curve and the kernels of the first layer.

use data::plot::{
    FONT, GRID, LABEL_SIZE, Painted, Picture, SERIES, TICK_SIZE, TITLE_SIZE, text_style,
};
use models::architecture::{Network, Op};
use models::weights::Weights;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

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

/// The kernels of the first convolution, one small panel each; a line per
/// input channel.
pub struct FirstKernels<'a> {
    name: &'a str,
    /// `[outputs, inputs, kernel]`.
    shape: [usize; 3],
    values: &'a [f32],
}

impl<'a> FirstKernels<'a> {
    /// Of the first convolution of a network; `None` without one.
    pub fn of(network: &'a Network, weights: &'a Weights) -> Option<FirstKernels<'a>> {
        let name = network.nodes.iter().find_map(|n| match &n.op {
            Op::Conv { name, .. } => Some(name),
            _ => None,
        })?;
        let tensor = weights.0.get(&format!("{name}.weight"))?;
        let shape = <[usize; 3]>::try_from(tensor.shape.as_slice()).ok()?;
        Some(FirstKernels {
            name,
            shape,
            values: &tensor.values,
        })
    }

    fn columns(&self) -> usize {
        self.shape[0].clamp(1, 8)
    }
}

const PANEL: (u32, u32) = (116, 104);
const HEAD: u32 = 76;
const FOOT: u32 = 40;
const SIDE: u32 = 60;

impl Picture for FirstKernels<'_> {
    fn size(&self) -> (u32, u32) {
        let rows = self.shape[0].div_ceil(self.columns()) as u32;
        (
            SIDE + 20 + PANEL.0 * self.columns().max(5) as u32,
            HEAD + PANEL.1 * rows + FOOT,
        )
    }

    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B> {
        let (width, height) = self.size();
        let [outputs, inputs, kernel] = self.shape;
        let limit = self.values.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
        let centre = |size| text_style(size, HPos::Center, VPos::Center);
        let middle = width as i32 / 2;
        area.draw_text(
            &format!("Kernels of the first layer, {}", self.name),
            &centre(TITLE_SIZE),
            (middle, 26),
        )?;
        area.draw_text(
            &format!(
                "weight against tap, all panels from {:.2} to {:.2}; {inputs} input channel(s)",
                -limit, limit
            ),
            &centre(TICK_SIZE).color(&BLACK.mix(0.6)),
            (middle, 54),
        )?;
        for output in 0..outputs {
            let column = (output % self.columns()) as i32;
            let row = (output / self.columns()) as i32;
            let (left, top) = (
                SIDE as i32 + column * PANEL.0 as i32,
                HEAD as i32 + row * PANEL.1 as i32,
            );
            let (w, h) = (PANEL.0 as i32 - 14, PANEL.1 as i32 - 26);
            area.draw(&Rectangle::new([(left, top), (left + w, top + h)], GRID))?;
            area.draw(&PathElement::new(
                [(left, top + h / 2), (left + w, top + h / 2)],
                GRID,
            ))?;
            area.draw_text(
                &format!("{}", output + 1),
                &text_style(TICK_SIZE, HPos::Left, VPos::Bottom).color(&BLACK.mix(0.6)),
                (left, top - 2),
            )?;
            for input in 0..inputs {
                let start = (output * inputs + input) * kernel;
                let colour = SERIES[input % SERIES.len()];
                let steps = (kernel.max(2) - 1) as f32;
                let points: Vec<(i32, i32)> = self.values[start..start + kernel]
                    .iter()
                    .enumerate()
                    .map(|(tap, v)| {
                        let x = left as f32 + 6.0 + (w - 12) as f32 * tap as f32 / steps;
                        let y = top as f32 + h as f32 * (0.5 - 0.46 * v / limit);
                        (x as i32, y as i32)
                    })
                    .collect();
                area.draw(&PathElement::new(points.clone(), colour.stroke_width(2)))?;
                for point in points {
                    area.draw(&Circle::new(point, 2, colour.filled()))?;
                }
            }
        }
        area.draw_text(
            &format!("tap, 1 to {kernel}"),
            &centre(LABEL_SIZE),
            (middle, height as i32 - 20),
        )?;
        area.draw_text(
            "weight",
            &TextStyle::from(
                (FONT, LABEL_SIZE)
                    .into_font()
                    .transform(FontTransform::Rotate270),
            )
            .pos(plotters::style::text_anchor::Pos::new(
                HPos::Center,
                VPos::Center,
            )),
            (26, (HEAD + (height - HEAD - FOOT) / 2) as i32),
        )
    }
}
