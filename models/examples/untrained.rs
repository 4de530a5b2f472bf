//! Writes a classifier with random weights: `untrained FILE.onnx`. Its input is
//! a window of one lead, with template and rhythm features, as a shipped model
//! has them.

use data::input::{InputSpec, Layout, Normalisation};
use data::rhythm::RhythmFeature;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: untrained FILE.onnx")?;
    let input = InputSpec {
        layout: Layout::Window,
        fs: 125.0,
        leads: Vec::new(),
        band: Some([0.5, 40.0]),
        before: 45,
        after: 75,
        normalisation: Normalisation::RunningScale,
        template: true,
        rhythm: RhythmFeature::ALL.to_vec(),
    };
    let bytes = models::untrained::classifier_for(&input, 1)?;
    data::output::write(path, &bytes)?;
    Ok(())
}
