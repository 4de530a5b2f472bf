//! Streamed classification against classification in one piece.

use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use infer::{Classifier, Error};
use proptest::prelude::*;

use crate::model::kaggle_model;

/// Rows that all differ, with the row's number in label and sample.
fn beats(rows: usize) -> Beats {
    let mut beats = Beats::new(InputSpec::kaggle(), &data::Classes::aami5());
    beats.record_names.push("synthetic".into());
    for row in 0..rows {
        let value = |i: usize| ((row * 37 + i * i) % 101) as f32 / 101.0;
        beats.windows.extend((0..187).map(value));
        beats.labels.push(row % 5);
        beats.records.push(0);
        beats.samples.push(row as u64);
    }
    beats
}

#[test]
fn requests_that_share_a_model_get_their_own_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, kaggle_model(0.3)).unwrap();
    let whole = beats(600);
    // Of different lengths, with fewer sessions than requests.
    let request = |i: usize| whole.select(&(i * 40..200 + i * 50).collect::<Vec<_>>());
    let alone = |i: usize| {
        let classifier = Classifier::with_threads(&path, 1).unwrap();
        classifier.classify(&request(i)).unwrap()
    };
    let expected: Vec<_> = (0..8).map(alone).collect();
    let shared = Classifier::with_threads(&path, 3).unwrap();
    std::thread::scope(|scope| {
        for (i, expected) in expected.iter().enumerate() {
            let (shared, request) = (&shared, &request);
            scope.spawn(move || {
                for _ in 0..5 {
                    let mut streamed = Vec::new();
                    let chunks = [Ok(request(i))].into_iter();
                    let sink = |_, answers| {
                        streamed.extend::<Vec<_>>(answers);
                        Ok(())
                    };
                    shared.stream(chunks, sink).unwrap();
                    // Bit for bit, whichever session answered.
                    assert_eq!(shared.classify(&request(i)).unwrap(), *expected, "{i}");
                    assert_eq!(streamed, *expected, "{i}, streamed");
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn chunks_of_any_size_give_every_row_once_and_in_order(
        sizes in prop::collection::vec(0_usize..200, 1..12),
        threads in 1_usize..5,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, kaggle_model(0.3)).unwrap();
        let classifier = Classifier::with_threads(&path, threads).unwrap();

        let whole = beats(sizes.iter().sum());
        let expected = classifier.classify(&whole).unwrap();
        let mut start = 0;
        let chunks: Vec<infer::Result<Beats>> = sizes
            .iter()
            .map(|size| {
                let rows: Vec<usize> = (start..start + size).collect();
                start += size;
                Ok(whole.select(&rows))
            })
            .collect();
        let mut streamed = Vec::new();
        let mut samples = Vec::new();
        classifier
            .stream(chunks.into_iter(), |beats, predictions| {
                assert_eq!(beats.len(), predictions.len());
                samples.extend(beats.samples);
                streamed.extend(predictions);
                Ok(())
            })
            .unwrap();

        prop_assert_eq!(samples, whole.samples);
        prop_assert_eq!(streamed.len(), expected.len());
        for (a, b) in streamed.iter().zip(&expected) {
            // Kernels may add in another order for another batch size.
            for (a, b) in a.logits.iter().zip(&b.logits) {
                prop_assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
            }
        }
    }

    #[test]
    fn the_first_error_of_a_source_ends_the_stream(at in 0_usize..9, threads in 1_usize..4) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, kaggle_model(0.3)).unwrap();
        let classifier = Classifier::with_threads(&path, threads).unwrap();
        let chunks = (0..9).map(|i| {
            if i < at { Ok(beats(3)) } else { Err(Error::Input(format!("chunk {i}"))) }
        });
        let mut seen = 0;
        let result = classifier.stream(chunks, |_, _| {
            seen += 1;
            Ok(())
        });
        prop_assert_eq!(result.unwrap_err().to_string(), format!("chunk {at}"));
        prop_assert_eq!(seen, at);
    }
}
