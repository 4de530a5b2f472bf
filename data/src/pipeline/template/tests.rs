use super::*;

const FS: f64 = 128.0;

fn memory() -> PatientMemory {
    PatientMemory::new(FS, 1, 64, 64)
}

/// An excerpt with a QRS of this width in seconds, moved by `shift` samples.
fn beat(memory: &PatientMemory, height: f32, width: f64, shift: f64) -> Vec<f32> {
    let centre = memory.reach_before() as f64 + shift;
    (0..memory.reach())
        .map(|j| {
            let t = (j as f64 - centre) / FS;
            let wave = |at: f64, width: f64| (-0.5 * ((t - at) / width).powi(2)).exp();
            height * (wave(0.0, width) + 0.15 * wave(-0.17, 0.025)) as f32
        })
        .collect()
}

fn settled() -> PatientMemory {
    let mut memory = memory();
    for _ in 0..40 {
        let mut excerpt = beat(&memory, 1.0, 0.02, 0.0);
        memory.take(&mut excerpt, 0.0);
    }
    memory
}

#[test]
fn the_usual_beat_is_dominant_and_leaves_no_difference() {
    let mut memory = settled();
    let mut excerpt = beat(&memory, 1.0, 0.02, 2.0);
    let likeness = memory.take(&mut excerpt, 0.0);
    assert!(likeness.dominant && likeness.correlation > 0.999);
    assert_eq!(likeness.lag, 2);
    assert!(likeness.residual < 0.01 && likeness.share > 0.99);
    assert!(likeness.p_correlation > 0.99 && likeness.p_consistency > 0.99);
}

#[test]
fn a_wide_inverted_beat_is_another_kind() {
    let mut memory = settled();
    let mut wide = beat(&memory, -1.5, 0.035, 0.0);
    let likeness = memory.take(&mut wide, -0.4);
    assert!(!likeness.dominant && likeness.correlation < 0.5);
    assert_eq!(likeness.share, 0.0);
    assert!(likeness.amplitude > 0.1);
    let mut again = beat(&memory, -1.5, 0.035, 1.0);
    let likeness = memory.take(&mut again, -0.4);
    assert!(likeness.kind_correlation > 0.98 && likeness.share > 0.0);
    assert!((likeness.kind_previous + 0.4).abs() < 1e-6);
    let mut usual = beat(&memory, 1.0, 0.02, 0.0);
    let narrow = memory.take(&mut usual, 0.0);
    assert!(narrow.dominant && likeness.width > 1.3 * narrow.width);
}

#[test]
fn a_lasting_change_of_shape_and_gain_becomes_the_norm() {
    let mut memory = settled();
    let mut last = Likeness::default();
    for _ in 0..80 {
        let mut excerpt = beat(&memory, -3.0, 0.05, 0.0);
        last = memory.take(&mut excerpt, 0.0);
    }
    assert!(last.dominant && last.residual < 0.05 && last.amplitude.abs() < 0.01);
}

#[test]
fn gain_changes_nothing() {
    let (mut small, mut large) = (memory(), memory());
    for i in 0..20 {
        let width = if i % 5 == 4 { 0.05 } else { 0.02 };
        let mut a = beat(&small, 0.5, width, 0.0);
        let mut b = beat(&small, 4.0, width, 0.0);
        let (p, q) = (small.take(&mut a, 0.0), large.take(&mut b, 0.0));
        assert!((p.correlation - q.correlation).abs() < 1e-4);
        assert!((p.residual - q.residual).abs() < 1e-4);
        assert!(a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-4));
    }
}

#[test]
fn a_flat_line_gives_finite_numbers() {
    let mut memory = memory();
    for _ in 0..3 {
        let mut flat = vec![0.0; memory.reach()];
        let l = memory.take(&mut flat, 0.0);
        let all = [
            l.correlation,
            l.wide_correlation,
            l.width,
            l.amplitude,
            l.p_position,
        ];
        assert!(all.iter().all(|v| v.is_finite()), "{l:?}");
    }
}
