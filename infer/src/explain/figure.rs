//! Pictures of beats with their credit as colour along the trace.

use std::ops::Range;

use data::plot::{
    FONT, GRID, LABEL_SIZE, Painted, Picture, SERIES, TICK_SIZE, TITLE_SIZE, text_style, tick,
};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use report::waves::Wave;

/// Ink of what should not stand out.
const FAINT: RGBColor = RGBColor(100, 100, 100);
/// Width of a column and height of a row of traces, in pixels.
const CELL: (u32, u32) = (620, 270);
/// Height of one bar of a bar chart.
const BAR: u32 = 21;
/// Room above and below the bars.
const AROUND_BARS: u32 = 96;
/// Room for the headings and for the colour scale.
const HEAD: u32 = 78;
const SCALE: u32 = 74;
const MARGIN: u32 = 16;
/// Room left of an axis.
const AXIS: u32 = 74;
/// Ticks on an axis, at most.
const X_TICKS: usize = 9;
const Y_TICKS: usize = 5;
/// Width of the coloured trace.
const STROKE: u32 = 4;
/// The colour of no credit.
const NEUTRAL: RGBColor = RGBColor(190, 190, 190);

/// Cells in rows and columns under one heading, with one colour scale.
pub struct Figure {
    /// The heading.
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// Rows of cells, all of the same number.
    pub rows: Vec<Vec<Cell>>,
    /// What the colours mean, with the ends of the scale: against, for. `None`
    /// leaves the scale out.
    pub scale: Option<&'static str>,
}

/// One chart.
pub enum Cell {
    /// A signal over time.
    Trace(Trace),
    /// One bar per name.
    Bars(Bars),
}

/// A signal over time, coloured by its credit.
pub struct Trace {
    /// What stands above it.
    pub title: String,
    /// What its vertical axis shows.
    pub axis: String,
    /// The signal.
    pub values: Vec<f32>,
    /// The credit of each value in -1..1, or none for a plain trace.
    pub credit: Vec<f32>,
    /// A second signal behind it, in grey.
    pub ghost: Vec<f32>,
    /// Samples per second.
    pub fs: f64,
    /// Index of the sample at time 0.
    pub origin: usize,
    /// What lies at time 0.
    pub start: &'static str,
    /// Stretches to mark.
    pub waves: Vec<(Wave, Range<usize>)>,
}

/// One bar per name, with values in -1..1.
pub struct Bars {
    /// What stands above them.
    pub title: String,
    /// Name and value of each bar.
    pub bars: Vec<(String, f32)>,
}

/// The colour of a credit in -1..1: blue against, vermilion for.
fn colour(credit: f32) -> RGBColor {
    let end = if credit < 0.0 { SERIES[0] } else { SERIES[1] };
    // The root keeps small credits visible.
    let part = credit.abs().min(1.0).sqrt();
    let mix = |from: u8, to: u8| (f32::from(from) * (1.0 - part) + f32::from(to) * part) as u8;
    RGBColor(
        mix(NEUTRAL.0, end.0),
        mix(NEUTRAL.1, end.1),
        mix(NEUTRAL.2, end.2),
    )
}

impl Cell {
    fn height(&self) -> u32 {
        match self {
            Cell::Trace(_) => CELL.1,
            Cell::Bars(bars) => AROUND_BARS + BAR * bars.bars.len() as u32,
        }
    }
}

impl Figure {
    fn row_height(row: &[Cell]) -> u32 {
        row.iter().map(Cell::height).max().unwrap_or(0)
    }
}

impl Picture for Figure {
    fn size(&self) -> (u32, u32) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(1) as u32;
        let heights: u32 = self.rows.iter().map(|row| Figure::row_height(row)).sum();
        let scale = self.scale.map_or(MARGIN, |_| SCALE);
        (columns * CELL.0 + 2 * MARGIN, HEAD + heights + scale)
    }

    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B> {
        let (width, height) = self.size();
        let middle = width as i32 / 2;
        let centre = |size| text_style(size, HPos::Center, VPos::Center);
        area.draw_text(&self.title, &centre(TITLE_SIZE), (middle, 26))?;
        let grey = centre(TICK_SIZE).color(&FAINT);
        area.draw_text(&self.subtitle, &grey, (middle, 54))?;
        let mut top = HEAD;
        for row in &self.rows {
            let height = Figure::row_height(row);
            for (column, cell) in row.iter().enumerate() {
                let left = MARGIN + CELL.0 * column as u32;
                let place = area.clone().shrink((left, top), (CELL.0, height));
                match cell {
                    Cell::Trace(trace) => trace.paint(&place)?,
                    Cell::Bars(bars) => bars.paint(&place)?,
                }
            }
            top += height;
        }
        match self.scale {
            Some(meaning) => paint_scale(area, (middle, (height - SCALE) as i32), meaning),
            None => Ok(()),
        }
    }
}

/// The colour scale with its ends and its meaning.
fn paint_scale<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    (middle, top): (i32, i32),
    meaning: &str,
) -> Painted<B> {
    const HALF: i32 = 160;
    for x in -HALF..HALF {
        let at = [(middle + x, top + 16), (middle + x + 1, top + 30)];
        let shade = colour((x as f32 + 0.5) / HALF as f32);
        area.draw(&Rectangle::new(at, shade.filled()))?;
    }
    let text = |size, horizontal| text_style(size, horizontal, VPos::Center);
    let y = top + 23;
    area.draw_text(
        "against",
        &text(TICK_SIZE, HPos::Right),
        (middle - HALF - 8, y),
    )?;
    area.draw_text("for", &text(TICK_SIZE, HPos::Left), (middle + HALF + 8, y))?;
    area.draw_text(meaning, &text(TICK_SIZE, HPos::Center), (middle, top + 48))
}

impl Trace {
    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B> {
        let seconds = |i: f64| (i - self.origin as f64) / self.fs;
        let last = self.values.len().saturating_sub(1) as f64;
        let extent = seconds(last) - seconds(0.0);
        let (low, high) = self.range();
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .caption(&self.title, (FONT, LABEL_SIZE))
            .x_label_area_size(46)
            .y_label_area_size(AXIS)
            .build_cartesian_2d(seconds(0.0)..seconds(last), low..high)?;
        let room = high - low;
        for (wave, range) in &self.waves {
            let (start, end) = (seconds(range.start as f64), seconds(range.end as f64));
            let end = end.min(seconds(last));
            if start >= end {
                continue;
            }
            let shade = match wave {
                Wave::Qrs => BLACK.mix(0.08),
                Wave::P | Wave::T => BLACK.mix(0.035),
            };
            let corners = [(start, low), (end, high)];
            chart.draw_series([Rectangle::new(corners, shade.filled())])?;
            // A stretch that the window's end cuts short has no room for its name.
            let pixels = (end - start) / extent * f64::from(CELL.0 - AXIS);
            if pixels < 0.7 * f64::from(TICK_SIZE) * wave.name().len() as f64 {
                continue;
            }
            let style = text_style(TICK_SIZE, HPos::Center, VPos::Top).color(&FAINT);
            let at = ((start + end) / 2.0, high - 0.02 * room);
            chart.draw_series([Text::new(wave.name(), at, style)])?;
        }
        chart
            .configure_mesh()
            .label_style((FONT, TICK_SIZE))
            .axis_desc_style((FONT, TICK_SIZE))
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.mix(0.8))
            .x_desc(format!("Time from {} (s)", self.start))
            .y_desc(&self.axis)
            .y_labels(Y_TICKS)
            .x_labels(X_TICKS)
            .x_label_formatter(&|x| tick(*x, extent, X_TICKS))
            .y_label_formatter(&|y| tick(*y, room, Y_TICKS))
            .draw()?;
        let point = |i: usize, values: &[f32]| (seconds(i as f64), f64::from(values[i]));
        if !self.ghost.is_empty() {
            let all = (0..self.ghost.len()).map(|i| point(i, &self.ghost));
            chart.draw_series(LineSeries::new(all, NEUTRAL.stroke_width(2)))?;
        }
        if self.credit.is_empty() {
            let all = (0..self.values.len()).map(|i| point(i, &self.values));
            chart.draw_series(LineSeries::new(all, SERIES[0].stroke_width(2)))?;
            return Ok(());
        }
        chart.draw_series((1..self.values.len()).map(|i| {
            let ends = vec![point(i - 1, &self.values), point(i, &self.values)];
            let mean = (self.credit[i - 1] + self.credit[i]) / 2.0;
            PathElement::new(ends, colour(mean).stroke_width(STROKE))
        }))?;
        Ok(())
    }

    /// The vertical axis, with room above for the names of waves.
    fn range(&self) -> (f64, f64) {
        let all = || self.values.iter().chain(&self.ghost).copied();
        let low = f64::from(all().fold(f32::INFINITY, f32::min));
        let high = f64::from(all().fold(f32::NEG_INFINITY, f32::max));
        let room = (high - low).max(0.1);
        (low - 0.06 * room, high + 0.18 * room)
    }
}

impl Bars {
    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B> {
        const NAMES: i32 = 190;
        let middle = CELL.0 as i32 / 2;
        let style = |size, horizontal| text_style(size, horizontal, VPos::Center);
        area.draw_text(&self.title, &style(LABEL_SIZE, HPos::Center), (middle, 22))?;
        let (left, right) = (NAMES + 10, CELL.0 as i32 - 24);
        let (zero, half) = ((left + right) / 2, (right - left) / 2);
        let bottom = 44 + (BAR as i32) * self.bars.len() as i32;
        for (i, (name, value)) in self.bars.iter().enumerate() {
            let y = 44 + BAR as i32 * i as i32;
            let middle = y + BAR as i32 / 2;
            area.draw_text(name, &style(TICK_SIZE, HPos::Right), (NAMES, middle))?;
            let end = zero + (value.clamp(-1.0, 1.0) * half as f32) as i32;
            let corners = [
                (zero.min(end), y + 3),
                (zero.max(end).max(zero.min(end) + 1), y + BAR as i32 - 3),
            ];
            area.draw(&Rectangle::new(corners, colour(*value).filled()))?;
        }
        area.draw(&PathElement::new(
            vec![(zero, 40), (zero, bottom)],
            BLACK.mix(0.5).stroke_width(1),
        ))?;
        for (value, x) in [("-1", left), ("0", zero), ("1", right)] {
            area.draw_text(value, &style(TICK_SIZE, HPos::Center), (x, bottom + 14))?;
        }
        area.draw_text(
            "Credit, as a part of the beat's largest",
            &style(TICK_SIZE, HPos::Center),
            (zero, bottom + 34),
        )
    }
}
