//! The shared look of all pictures, the confusion matrix, and the kernels of a
//! network's first layer.
//!
//! The font travels in the program, so that a picture is the same on a machine
//! without any. In SVG, text stays text: a viewer takes its own sans-serif.

pub mod kernels;

use std::path::Path;
use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::output::{
    self,
    made_here::{MAKER, SVG_NOTE},
};
use crate::record::aami::Class;
use crate::record::classes::BeatClass;
use crate::record::error::{Error, Result};
use crate::scoring::metrics::Confusion;

/// The font of all text.
pub const FONT: &str = "sans-serif";
/// Sizes of text in pixels.
pub const TITLE_SIZE: u32 = 22;
/// Axis titles and legends.
pub const LABEL_SIZE: u32 = 17;
/// Tick labels and annotations.
pub const TICK_SIZE: u32 = 14;
/// Colours of series, distinguishable with the common colour blindnesses
/// (Okabe and Ito 2008): blue, vermilion, green, purple, orange.
pub const SERIES: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
];
/// Grid lines.
pub const GRID: RGBColor = RGBColor(225, 225, 225);

/// The answer of a painter: errors are those of the backend.
pub type Painted<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Something that can be painted on any backend.
pub trait Picture {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// Paints on a white area of [`Picture::size`].
    ///
    /// # Errors
    /// Those of the backend.
    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B>;
}

/// The formats of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// Pixels.
    Png,
    /// Curves and text.
    Svg,
}

impl PictureFormat {
    /// Every format there is.
    pub const ALL: [PictureFormat; 2] = [PictureFormat::Png, PictureFormat::Svg];

    /// What the names of its files end with.
    pub const fn ending(self) -> &'static str {
        match self {
            PictureFormat::Png => "png",
            PictureFormat::Svg => "svg",
        }
    }

    /// The format that a file's name asks for.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the name has another ending, or none.
    pub fn of(path: &Path) -> Result<PictureFormat> {
        let ending = path.extension().unwrap_or_default();
        let asked = |format: &PictureFormat| ending.eq_ignore_ascii_case(format.ending());
        PictureFormat::ALL.into_iter().find(asked).ok_or_else(|| {
            let endings = PictureFormat::ALL.map(|format| format!(".{}", format.ending()));
            Error::Invalid(format!(
                "{}: the name tells no format of pictures; end it in {}",
                path.display(),
                endings.join(" or ")
            ))
        })
    }

    /// The picture as the bytes of a file.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the picture cannot be painted at its size.
    pub fn bytes(self, picture: &impl Picture) -> Result<Vec<u8>> {
        match self {
            PictureFormat::Png => png(picture),
            PictureFormat::Svg => Ok(svg(picture)?.into_bytes()),
        }
    }
}

/// Writes a picture, whole or not at all, in the format of the name's ending.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written; as [`PictureFormat::of`].
pub fn save(picture: &impl Picture, path: &Path) -> Result<()> {
    output::write(path, &PictureFormat::of(path)?.bytes(picture)?)
}

/// The picture as the bytes of a PNG file.
///
/// # Errors
/// [`Error::Invalid`] when the picture cannot be painted at its size.
pub fn png(picture: &impl Picture) -> Result<Vec<u8>> {
    let (width, height) = picture.size();
    let mut pixels = vec![0; width as usize * height as usize * 3];
    paint(
        picture,
        BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area(),
    )?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_filter(png::FilterType::Sub);
    let written = encoder
        .add_text_chunk("Software".into(), MAKER.into())
        .and_then(|()| encoder.write_header())
        .and_then(|mut writer| writer.write_image_data(&pixels));
    written.map_err(|e| Error::Invalid(format!("the picture cannot be encoded: {e}")))?;
    Ok(bytes)
}

/// The picture as the text of an SVG file.
///
/// # Errors
/// [`Error::Invalid`] when the picture cannot be painted at its size.
pub fn svg(picture: &impl Picture) -> Result<String> {
    let mut text = String::new();
    paint(
        picture,
        SVGBackend::with_string(&mut text, picture.size()).into_drawing_area(),
    )?;
    // Inside the first element, since nothing may stand before it.
    let start = text.find('>').map_or(0, |at| at + 1);
    text.insert_str(start, SVG_NOTE);
    Ok(text)
}

fn paint<B: DrawingBackend>(picture: &impl Picture, area: DrawingArea<B, Shift>) -> Result<()> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let font: &[u8] = include_bytes!("../fonts/DejaVuSans-subset.ttf");
    let registered =
        REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, font).is_ok());
    if !registered {
        return Err(Error::Invalid("the built-in font cannot be read".into()));
    }
    area.fill(&WHITE)
        .and_then(|()| picture.paint(&area))
        .and_then(|()| area.present())
        .map_err(|e| Error::Invalid(format!("the picture cannot be painted: {e}")))
}

/// Text of this size around a point.
pub fn text_style<'a>(size: u32, horizontal: HPos, vertical: VPos) -> TextStyle<'a> {
    TextStyle::from((FONT, size).into_font()).pos(Pos::new(horizontal, vertical))
}

/// The label of a tick on an axis of this extent and at most so many ticks:
/// with the decimals that their steps of 1, 2 or 5 units need, and no sign
/// before zero.
pub fn tick(value: f64, extent: f64, ticks: usize) -> String {
    // So many ticks lie in less than one step more than they are.
    let finest = extent / (ticks + 1) as f64;
    // 1e-9: a step of exactly one unit is not the next larger one.
    let unit = (finest / 5.0 * (1.0 - 1e-9)).log10().floor() as i32 + 1;
    let decimals = (-unit).clamp(0, 9) as usize;
    let smallest = 0.5 * 0.1_f64.powi(decimals as i32);
    let value = if value.abs() < smallest { 0.0 } else { value };
    format!("{value:.decimals$}")
}

/// A confusion matrix: beats and the part of the reference class in each cell.
pub struct ConfusionMatrix<'a> {
    /// What is shown.
    pub confusion: &'a Confusion,
    /// The heading.
    pub title: &'a str,
}

const CELL: i32 = 104;
const LEFT: i32 = 190;
const TOP: i32 = 88;
const MARGIN: i32 = 24;
/// Width of a letter of the title, about.
const LETTER: i32 = 12;
/// Room below the cells for the class names and the axis title.
const BELOW: i32 = 70;

/// What the letter of one of EC57's classes stands for; of another class the
/// labels that mean it.
fn meaning(class: &BeatClass) -> String {
    let aami = class.aami().filter(|&c| *class == BeatClass::of_aami(c));
    let word = match aami {
        Some(Class::N) => "normal",
        Some(Class::S) => "supraventricular",
        Some(Class::V) => "ventricular",
        Some(Class::F) => "fusion",
        Some(Class::Q) => "paced, unknown",
        None => return shortened(&class.labels().join(" "), 20),
    };
    word.into()
}

/// Text of at most so many letters; what is longer ends in `..`.
fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 2).chain("..".chars()).collect(),
        false => text.into(),
    }
}

impl Picture for ConfusionMatrix<'_> {
    fn size(&self) -> (u32, u32) {
        let side = self.side();
        // Few classes make cells narrower than their title.
        let title = LETTER * self.title.chars().count() as i32 + 2 * MARGIN;
        let width = (LEFT + side + MARGIN).max(title);
        (width as u32, (TOP + side + BELOW) as u32)
    }

    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Painted<B> {
        let side = self.side();
        let centre = |size| text_style(size, HPos::Center, VPos::Center);
        let right = |size| text_style(size, HPos::Right, VPos::Center);
        let middle = LEFT + side / 2;
        let (width, _) = self.size();
        let above = middle.min(width as i32 - LETTER * self.title.chars().count() as i32 / 2);
        area.draw_text(self.title, &centre(TITLE_SIZE), (above, 30))?;
        area.draw_text(
            "beats, and % of the reference class",
            &centre(TICK_SIZE).color(&BLACK.mix(0.6)),
            (middle, 62),
        )?;
        let classes = self.confusion.classes();
        for (reference, class) in classes.iter().enumerate() {
            let y = TOP + CELL * reference as i32;
            let x = LEFT - 10;
            let support = self.confusion.support(reference);
            let name = shortened(class.name(), 16);
            area.draw_text(&name, &right(LABEL_SIZE), (x, y + CELL / 2 - 12))?;
            area.draw_text(
                &meaning(class),
                &right(TICK_SIZE).color(&BLACK.mix(0.6)),
                (x, y + CELL / 2 + 10),
            )?;
            for predicted in 0..classes.len() {
                let x = LEFT + CELL * predicted as i32;
                let count = self.confusion.count(reference, predicted);
                let part = (support > 0).then(|| count as f64 / support as f64);
                self.paint_cell(area, (x, y), count, part)?;
            }
        }
        for (predicted, name) in classes.names().enumerate() {
            let x = LEFT + CELL * predicted as i32 + CELL / 2;
            let name = shortened(name, 11);
            area.draw_text(&name, &centre(LABEL_SIZE), (x, TOP + side + 18))?;
        }
        area.draw_text(
            "Predicted class",
            &centre(LABEL_SIZE),
            (middle, TOP + side + 48),
        )?;
        area.draw_text(
            "Reference class",
            &TextStyle::from(
                (FONT, LABEL_SIZE)
                    .into_font()
                    .transform(FontTransform::Rotate270),
            )
            .pos(Pos::new(HPos::Center, VPos::Center)),
            (26, TOP + side / 2),
        )
    }
}

impl ConfusionMatrix<'_> {
    /// Width and height of all cells, in pixels.
    fn side(&self) -> i32 {
        CELL * self.confusion.classes().len() as i32
    }

    fn paint_cell<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        (x, y): (i32, i32),
        count: u64,
        part: Option<f64>,
    ) -> Painted<B> {
        let shade = part.unwrap_or(0.0);
        let corners = [(x, y), (x + CELL, y + CELL)];
        area.draw(&Rectangle::new(corners, SERIES[0].mix(shade).filled()))?;
        area.draw(&Rectangle::new(corners, GRID.stroke_width(1)))?;
        let ink = if shade > 0.5 { WHITE } else { BLACK };
        let style = |size| text_style(size, HPos::Center, VPos::Center).color(&ink);
        let centre = (x + CELL / 2, y + CELL / 2);
        area.draw_text(
            &count.to_string(),
            &style(LABEL_SIZE),
            (centre.0, centre.1 - 11),
        )?;
        let percentage = part.map_or("-".into(), |p| format!("{:.1} %", 100.0 * p));
        area.draw_text(&percentage, &style(TICK_SIZE), (centre.0, centre.1 + 13))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::classes::Classes;

    #[test]
    fn other_classes_are_drawn_with_their_names_and_labels() {
        let classes: Classes = "plain=N L R,a class with a long name=A V".parse().unwrap();
        let confusion = Confusion::new(&classes);
        let picture = ConfusionMatrix {
            confusion: &confusion,
            title: "",
        };
        let svg = svg(&picture).unwrap();
        for text in ["plain", "N L R", "a class with a..", "A V"] {
            assert!(svg.contains(text), "'{text}' is missing");
        }
        assert!(!svg.contains("ventricular"));
    }

    #[test]
    fn ticks_have_the_decimals_that_tell_them_apart() {
        // Steps of 2, 0.5, 0.1 and 0.02.
        assert_eq!(tick(4.0, 10.0, 9), "4");
        assert_eq!(tick(0.5, 1.2, 5), "0.5");
        assert_eq!(tick(0.1, 0.83, 9), "0.1");
        assert_eq!(tick(0.005, 0.0253, 5), "0.005");
        assert_eq!(tick(0.06, 0.09, 5), "0.06");
        assert_eq!(tick(-1e-17, 0.83, 9), "0.0");
        assert_eq!(tick(-0.06, 0.09, 5), "-0.06");
    }

    fn example() -> Confusion {
        let mut confusion = Confusion::new(&Classes::aami5());
        for (class, count) in [44_000, 1700, 3100, 40, 0].into_iter().enumerate() {
            for n in 0..count {
                let predicted = if n % 7 == 3 { Class::S.index() } else { class };
                confusion.add(class, predicted);
            }
        }
        confusion
    }

    #[test]
    fn the_matrix_is_drawn_with_names_counts_and_percentages() {
        let confusion = example();
        let picture = ConfusionMatrix {
            confusion: &confusion,
            title: "DS2, reference beats",
        };
        let svg = svg(&picture).unwrap();
        for text in [
            "DS2, reference beats",
            "Predicted class",
            "Reference class",
            "supraventricular",
            "37714",
            "85.7 %",
        ] {
            assert!(svg.contains(text), "'{text}' is missing");
        }
    }

    /// A picture's pixels, and their colour at a place.
    fn pixel(bytes: Vec<u8>) -> impl Fn(u32, u32) -> [u8; 3] {
        let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).unwrap();
        move |x, y| {
            let at = 3 * (y * info.width + x) as usize;
            [pixels[at], pixels[at + 1], pixels[at + 2]]
        }
    }

    #[test]
    fn cells_are_as_dark_as_their_part_of_the_reference_class() {
        let confusion = example();
        let picture = ConfusionMatrix {
            confusion: &confusion,
            title: "",
        };
        let pixel = pixel(png(&picture).unwrap());
        let cell = |reference: usize, predicted: usize| {
            let [row, column] = [reference, predicted].map(|c| CELL * c as i32);
            pixel((LEFT + column + 5) as u32, (TOP + row + 5) as u32)
        };
        let RGBColor(full, ..) = SERIES[0];
        for reference in 0..5 {
            for predicted in 0..5 {
                let support = confusion.support(reference).max(1);
                let part = confusion.count(reference, predicted) as f64 / support as f64;
                let red = 255.0 + part * (f64::from(full) - 255.0);
                let [drawn, ..] = cell(reference, predicted);
                let apart = (f64::from(drawn) - red).abs();
                assert!(
                    apart < 3.0,
                    "{reference} as {predicted}: {drawn}, not {red}"
                );
            }
        }
    }

    #[test]
    fn a_picture_is_what_its_name_says_or_refused() {
        let confusion = example();
        let picture = ConfusionMatrix {
            confusion: &confusion,
            title: "",
        };
        let folder = tempfile::tempdir().unwrap();
        for (name, beginning) in [
            ("a.svg", &b"<svg"[..]),
            ("a.SVG", b"<svg"),
            ("a.png", b"\x89PNG"),
        ] {
            let path = folder.path().join(name);
            save(&picture, &path).unwrap();
            assert!(std::fs::read(&path).unwrap().starts_with(beginning));
            assert!(output::made_here::is_made_here(&path), "{name}");
        }
        for name in ["a.xyz", "a", "svg"] {
            let path = folder.path().join(name);
            let message = save(&picture, &path).unwrap_err().to_string();
            assert!(message.ends_with("end it in .png or .svg"), "{message}");
            assert!(!path.exists(), "{name}");
        }
    }
}
