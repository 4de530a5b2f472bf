//! Any bytes as a model file, sealed: it is refused, or it classifies a beat.

#![no_main]

use std::path::Path;

use embedded::Classifier;
use libfuzzer_sys::fuzz_target;
use models::seal;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sealed) = seal::seal(bytes) else {
        return;
    };
    let Ok(mut classifier) = Classifier::from_bytes(&sealed, Path::new("fuzz.onnx")) else {
        return;
    };
    let input = &classifier.contract().input;
    let (window, rhythm) = (
        vec![0.5; input.window_values()],
        vec![0.5; input.rhythm.len()],
    );
    // Weights that are not numbers are an error; a panic would be a find.
    let _ = classifier.classify_beat(&window, &rhythm);
});
