//! Writes a classifier with random weights: `untrained FILE.onnx`. Its input is
//! a window of one lead, with template and rhythm features, as a shipped model
//! has them.

use data::pipeline::input::InputSpec;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: untrained FILE.onnx")?;
    let input = InputSpec::window();
    let bytes = models::untrained::classifier_for(&input, 1)?;
    data::output::write(path, &bytes)?;
    Ok(())
}
