//! The learned kernels of the first layer and what frequencies they let pass.

use std::f64::consts::PI;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::{FONT, GRID, LABEL_SIZE, Painted, Picture, SERIES, TICK_SIZE, TITLE_SIZE, text_style};

/// Ink of what should not stand out.
const FAINT: RGBColor = RGBColor(100, 100, 100);
/// Kernels drawn next to each other.
const COLUMNS: usize = 8;
/// Width and height of one kernel's chart.
const CELL: (i32, i32) = (118, 92);
const HEAD: i32 = 74;
const MARGIN: i32 = 30;
/// Height of the frequency response.
const RESPONSE: i32 = 360;
/// Frequencies at which the response is computed.
const FREQUENCIES: usize = 96;

/// The kernels of the first convolution, sorted by the frequency that each
/// lets pass most.
pub struct Kernels {
    title: String,
    /// Samples per second.
    fs: f64,
    /// Inputs of the layer.
    channels: usize,
    /// Per kernel: its taps, `[channels x taps]`, and its gain at
    /// [`FREQUENCIES`] frequencies from 0 to half the sampling rate.
    kernels: Vec<(Vec<f32>, Vec<f64>)>,
}

impl Kernels {
    /// The kernels of a layer that takes `channels` inputs at `fs` samples per
    /// second: `weights` are `[kernels, channels, taps]`.
    pub fn new(title: String, fs: f64, channels: usize, taps: usize, weights: &[f32]) -> Kernels {
        let mut kernels: Vec<_> = weights
            .chunks_exact((channels * taps).max(1))
            .map(|kernel| (kernel.to_vec(), gain(kernel, channels)))
            .collect();
        kernels.sort_by_key(|(_, gain)| peak(gain));
        Kernels {
            title,
            fs,
            channels,
            kernels,
        }
    }

    fn rows(&self) -> i32 {
        self.kernels.len().div_ceil(COLUMNS) as i32
    }
}

/// `sqrt(sum over channels |H(f)|^2)` of a kernel, as a part of its largest.
fn gain(kernel: &[f32], channels: usize) -> Vec<f64> {
    let taps = kernel.len() / channels;
    let at = |step: usize| -> f64 {
        let omega = PI * step as f64 / (FREQUENCIES - 1) as f64;
        let power = |taps: &[f32]| {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, tap) in taps.iter().enumerate() {
                re += f64::from(*tap) * (omega * i as f64).cos();
                im += f64::from(*tap) * (omega * i as f64).sin();
            }
            re * re + im * im
        };
        kernel.chunks_exact(taps).map(power).sum::<f64>().sqrt()
    };
    let gain: Vec<f64> = (0..FREQUENCIES).map(at).collect();
    let largest = gain.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    gain.iter().map(|g| g / largest).collect()
}

fn peak(gain: &[f64]) -> usize {
    let best = |a: &usize, b: &usize| gain[*a].total_cmp(&gain[*b]);
    (0..gain.len()).max_by(best).unwrap_or(0)
}

impl Picture for Kernels {
    fn size(&self) -> (u32, u32) {
        let width = 2 * MARGIN + CELL.0 * COLUMNS as i32;
        (
            width as u32,
            (HEAD + CELL.1 * self.rows() + RESPONSE) as u32,
        )
    }

    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B> {
        let (width, height) = self.size();
        let centre = |size| text_style(size, HPos::Center, VPos::Center);
        let middle = width as i32 / 2;
        area.draw_text(&self.title, &centre(TITLE_SIZE), (middle, 24))?;
        let grey = centre(TICK_SIZE).color(&FAINT);
        let order = "Taps over time, one colour per input channel; sorted by the frequency of the highest gain";
        area.draw_text(order, &grey, (middle, 52))?;
        for (i, (kernel, _)) in self.kernels.iter().enumerate() {
            let (row, column) = (i / COLUMNS, i % COLUMNS);
            let corner = (MARGIN + CELL.0 * column as i32, HEAD + CELL.1 * row as i32);
            self.paint_kernel(area, corner, i, kernel)?;
        }
        let top = HEAD + CELL.1 * self.rows();
        let place = area
            .clone()
            .shrink((0, top as u32), (width, height - top as u32));
        self.paint_response(&place)
    }
}

impl Kernels {
    fn paint_kernel<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        (x, y): (i32, i32),
        index: usize,
        kernel: &[f32],
    ) -> Painted<B> {
        let (inner, high) = (CELL.0 - 12, CELL.1 - 24);
        let zero = y + 18 + high / 2;
        let grey = text_style(TICK_SIZE, HPos::Left, VPos::Center).color(&FAINT);
        area.draw_text(&format!("{}", index + 1), &grey, (x + 2, y + 9))?;
        let line = vec![(x, zero), (x + inner, zero)];
        area.draw(&PathElement::new(line, GRID.stroke_width(1)))?;
        let largest = kernel.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
        let taps = kernel.len() / self.channels;
        for (channel, values) in kernel.chunks_exact(taps).enumerate() {
            let place = |(i, v): (usize, &f32)| {
                let across = inner * (2 * i as i32 + 1) / (2 * taps as i32);
                (x + across, zero - (v / largest * (high / 2) as f32) as i32)
            };
            let points: Vec<(i32, i32)> = values.iter().enumerate().map(place).collect();
            let ink = SERIES[channel % SERIES.len()];
            for point in &points {
                area.draw(&Circle::new(*point, 3, ink.filled()))?;
            }
            area.draw(&PathElement::new(points, ink.stroke_width(2)))?;
        }
        Ok(())
    }

    fn paint_response<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B> {
        let count = self.kernels.len();
        let highest = self.fs / 2.0;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(MARGIN)
            .caption(
                "Frequency response (white: gain 0, blue: the kernel's highest)",
                (FONT, LABEL_SIZE),
            )
            .x_label_area_size(50)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..highest, 0.5..count as f64 + 0.5)?;
        let step = highest / FREQUENCIES as f64;
        let cells = self.kernels.iter().enumerate().flat_map(|(i, (_, gain))| {
            gain.iter().enumerate().map(move |(k, gain)| {
                let y = count as f64 - i as f64;
                let corners = [(step * k as f64, y - 0.5), (step * (k + 1) as f64, y + 0.5)];
                Rectangle::new(corners, SERIES[0].mix(*gain).filled())
            })
        });
        chart.draw_series(cells)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .label_style((FONT, TICK_SIZE))
            .axis_desc_style((FONT, LABEL_SIZE))
            .x_desc("Frequency (Hz)")
            .y_desc("Kernel")
            .x_labels(10)
            .y_labels(count.min(12))
            .x_label_formatter(&|x| format!("{x:.0}"))
            // Kernel 1 is at the top.
            .y_label_formatter(&|y| format!("{:.0}", count as f64 + 1.0 - y))
            .draw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_kernels_come_before_fast_ones() {
        // A mean lets the mean pass; a difference lets the highest frequency pass.
        let (fast, slow) = ([0.5, -0.5], [0.5, 0.5]);
        let weights = [fast, slow].concat();
        let kernels = Kernels::new("First layer of x".into(), 100.0, 1, 2, &weights);
        assert_eq!(kernels.kernels[0].0, slow);
        assert_eq!(kernels.kernels[1].0, fast);
        let drawn = super::super::svg(&kernels).unwrap();
        for text in ["First layer of x", "Frequency (Hz)", "Kernel"] {
            assert!(drawn.contains(text), "{text}");
        }
        // A dot for each tap.
        assert_eq!(drawn.matches("<circle").count(), weights.len());
    }
}
