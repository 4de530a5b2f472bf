//! The pictures of `infer`: what they show, and what they are called.

use predicates::prelude::*;
use predicates::str::contains;

use crate::cli::{Desk, kaggle_rows};

/// The counts in the cells of a drawn confusion matrix, row by row.
pub fn counts(svg: &str, title: &str) -> Vec<u64> {
    let texts: Vec<&str> = svg
        .split("<text ")
        .skip(1)
        .filter_map(|text| Some(text.split_once('>')?.1.split_once('<')?.0.trim()))
        .collect();
    assert_eq!(texts[0], title);
    assert!(texts.contains(&"Reference class") && texts.contains(&"Predicted class"));
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

#[test]
fn the_confusion_matrix_has_the_title_and_the_counts_of_the_predictions() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(300, true));
    desk.infer(&["beats.csv", "--confusion", "matrix.svg"])
        .assert()
        .success();
    let drawn = counts(&desk.read("matrix.svg"), "Confusion matrix of kaggle.onnx");
    let names = ["N", "S", "V", "F", "Q"];
    let predictions = desk.read("predictions.csv");
    let pairs: Vec<(&str, &str)> = predictions
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[4], cells[5])
        })
        .collect();
    let expected = names.iter().flat_map(|label| {
        let of = |class: &&str| pairs.iter().filter(|p| **p == (*label, *class)).count() as u64;
        names.iter().map(of).collect::<Vec<_>>()
    });
    assert_eq!(drawn, expected.collect::<Vec<_>>());
}

#[test]
fn a_picture_of_no_format_is_refused_before_any_work() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(2, true));
    let evaluate = ["evaluate", "--data", "records"];
    for (arguments, picture) in [
        (&["beats.csv"][..], "matrix.xyz"),
        (&["beats.csv"], "matrix"),
        (&evaluate, "matrix.jpg"),
    ] {
        desk.infer(arguments)
            .args(["--confusion", picture])
            .assert()
            .code(2)
            .stderr(contains(picture).and(contains("end it in .png or .svg")));
        assert_eq!(desk.files(), ["beats.csv"]);
    }
}
