//! Heart-rate variability against NeuroKit2 and scipy, whose values
//! `neurokit.py` has written.

use data::Class;
use data::holter::{Beat, Holter, Hrv, Options};
use serde_json::Value;

/// In ms, of the golden beats.
const FS: f64 = 1000.0;

fn golden() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("neurokit.json")).unwrap();
    let series = golden["series"].as_array().unwrap().clone();
    assert_eq!(series.len(), 3);
    series
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn hrv(series: &Value) -> Hrv {
    let mut holter = Holter::new(FS, None, Options::default());
    let mut sample = 0;
    let classes = series["classes"].as_str().unwrap().chars();
    let intervals = series["intervals_ms"].as_array().unwrap().iter();
    for (class, interval) in classes.zip(intervals) {
        sample += interval.as_u64().unwrap();
        let class: Class = class.to_string().parse().unwrap();
        holter.beat(&Beat::new(sample, class));
    }
    holter.finish(sample + 1).hrv
}

fn close(what: &str, ours: f64, theirs: f64, tolerance: f64) {
    assert!(
        (ours / theirs - 1.0).abs() <= tolerance,
        "{what}: {ours}, expected {theirs} within {tolerance}"
    );
}

#[test]
fn the_same_intervals_are_normal_to_normal() {
    for series in golden() {
        let hrv = hrv(&series);
        assert_eq!(Some(hrv.intervals), series["nn"].as_u64());
        assert_eq!(Some(hrv.artefacts), series["artefacts"].as_u64());
        let pairs: u32 = hrv.poincare.iter().map(|cell| cell.normal).sum();
        assert_eq!(Some(u64::from(pairs)), series["pairs"].as_u64());
    }
}

#[test]
fn measures_over_time_are_those_of_neurokit() {
    for series in golden() {
        let hrv = hrv(&series);
        // NeuroKit2 divides NN50 by the pairs plus one.
        let pairs = number(&series["pairs"]) + 1.0;
        let pnn50 = hrv.pnn50.unwrap() * hrv.intervals as f64 / pairs;
        for (what, ours) in [
            ("mean_nn", hrv.mean_nn.unwrap()),
            ("sdnn", hrv.sdnn.unwrap()),
            ("sdann", hrv.sdann.unwrap()),
            ("sdnn_index", hrv.sdnn_index.unwrap()),
            ("rmssd", hrv.rmssd.unwrap()),
            ("pnn50", pnn50),
            ("triangular_index", hrv.triangular_index.unwrap()),
            ("sd1", hrv.sd1.unwrap()),
            ("sd2", hrv.sd2.unwrap()),
        ] {
            // Far inside the half per cent that is wanted.
            close(what, ours, number(&series[what]), 1e-6);
        }
    }
}

#[test]
fn without_breaks_pnn50_is_that_of_neurokit_as_it_is() {
    let series = &golden()[0];
    close(
        "pnn50",
        hrv(series).pnn50.unwrap(),
        number(&series["pnn50"]),
        1e-9,
    );
}

#[test]
fn the_spectrum_is_scipys_and_near_what_neurokit_makes_by_another_method() {
    for (at, series) in golden().iter().enumerate() {
        let power = hrv(series).frequency.unwrap();
        let spectrum = &series["spectrum"];
        assert_eq!(Some(power.windows), spectrum["windows"].as_u64());
        let bands = [("VLF", power.vlf), ("LF", power.lf), ("HF", power.hf)];
        for (band, (what, ours)) in bands.into_iter().enumerate() {
            close(what, ours, number(&spectrum["lomb"][band]), 1e-6);
            // Its Welch segments are half a window, too short for VLF, and its
            // interpolation smooths over beats that are left out.
            if at < 2 && band > 0 {
                close(what, ours, number(&spectrum["welch"][band]), 0.2);
            }
        }
    }
}
