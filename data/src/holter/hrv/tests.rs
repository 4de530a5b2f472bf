use super::*;

/// Intervals in seconds, all between normal beats, one after the other.
fn of(intervals: &[f64]) -> Hrv {
    let mut hrv = Variability::new(&Options::default());
    let mut time = 0.0;
    for rr in intervals {
        time += rr;
        hrv.interval(time, *rr, true);
    }
    hrv.hrv()
}

fn near(value: Option<f64>, expected: f64) {
    let value = value.unwrap();
    assert!((value - expected).abs() < 1e-9, "{value}, {expected}");
}

#[test]
fn measures_of_a_few_intervals_are_those_worked_out_by_hand() {
    let hrv = of(&[0.8, 0.9, 0.8, 0.84]);
    near(hrv.mean_nn, 835.0);
    // Deviations -35, 65, -35, 5: squares 6700 in all.
    near(hrv.sdnn, (6700.0f64 / 3.0).sqrt());
    // Differences 100, -100, 40.
    near(hrv.rmssd, (21_600.0f64 / 3.0).sqrt());
    near(hrv.pnn50, 50.0);
    // Bins of 1/128 s: 102, 115, 102, 107.
    near(hrv.triangular_index, 2.0);
    assert_eq!(hrv.histogram.len(), 116);
    assert_eq!(hrv.histogram[102], 2);
    assert_eq!(hrv.poincare.iter().map(|cell| cell.all).sum::<u32>(), 3);
    assert!(hrv.sdann.is_none() && hrv.frequency.is_none());
}

#[test]
fn no_interval_has_no_measure() {
    let hrv = of(&[]);
    assert_eq!(hrv, Hrv::default());
    let hrv = of(&[0.8]);
    near(hrv.mean_nn, 800.0);
    assert!(hrv.sdnn.is_none() && hrv.rmssd.is_none() && hrv.sd1.is_none());
}

#[test]
fn a_difference_of_50_ms_is_not_above_50() {
    near(of(&[0.8, 0.85, 0.8]).pnn50, 0.0);
    near(of(&[0.8, 0.852, 0.8]).pnn50, 200.0 / 3.0);
}

#[test]
fn an_interval_far_from_those_before_it_is_an_artefact_and_parts_its_neighbours() {
    let mut intervals = vec![0.8; 10];
    intervals.push(1.6);
    intervals.extend([0.8; 10]);
    let hrv = of(&intervals);
    assert_eq!((hrv.intervals, hrv.artefacts), (20, 1));
    near(hrv.rmssd, 0.0);
    // 20 intervals of which 18 pairs share a beat.
    assert_eq!(hrv.poincare.iter().map(|cell| cell.normal).sum::<u32>(), 18);
    assert_eq!(hrv.poincare.iter().map(|cell| cell.all).sum::<u32>(), 20);
}

#[test]
fn a_new_rate_is_believed_after_a_few_intervals() {
    let mut intervals = vec![0.6; 10];
    intervals.extend([0.9; 10]);
    let hrv = of(&intervals);
    assert_eq!(hrv.artefacts, 3);
}

#[test]
fn windows_are_of_five_minutes() {
    // 1 s for five minutes, then 0.9 s for five minutes, then half a minute.
    let mut intervals = vec![1.0; 299];
    intervals.extend([0.9; 334]);
    intervals.extend([1.0; 30]);
    let hrv = of(&intervals);
    // Means of 1000 and 900 ms; the last window is too short.
    let sdann = hrv.sdann.unwrap();
    assert!((sdann - 50.0 * 2.0f64.sqrt()).abs() < 0.3, "{sdann}");
    assert!(hrv.sdnn_index.unwrap() < 4.0);
    assert_eq!(hrv.frequency.unwrap().windows, 2);
}

#[test]
fn an_interval_that_ends_after_a_break_is_no_neighbour() {
    let mut hrv = Variability::new(&Options::default());
    hrv.interval(1.0, 0.8, true);
    hrv.interrupt();
    hrv.interval(10.0, 0.85, true);
    let hrv = hrv.hrv();
    assert_eq!(hrv.intervals, 2);
    assert!(hrv.rmssd.is_none() && hrv.poincare.is_empty());
}
