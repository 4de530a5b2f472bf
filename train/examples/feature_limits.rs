//! Measures where the limits of beat features should lie, beside those that the
//! table in `data/src/pipeline/beat_feature.rs` has:
//!
//! ```text
//! cargo run --release -p train --example feature_limits -- SHARED
//! ```
//!
//! `SHARED` is a folder with the databases `mitdb` and `svdb`. The beats are
//! those that the shipped model for recordings learnt from, by the settings in
//! `models/evidence/runs/resnet.toml`: DS1 and svdb without the patients held
//! out, their second leads, and the retimed copies. By the rule a limit is the
//! mean less, or plus, three standard deviations, or the least or greatest
//! value that occurs where that is nearer. The table's values are rounder: the
//! rule reproduces one that lies within [`NEAR`] standard deviations of it.

use std::path::Path;

use data::pipeline::beat_feature::BeatFeature;
use data::pipeline::beats::Beats;
use data::pipeline::prepare;
use train::feature_scaler::FeatureScaler;
use train::settings::Recipe;
use train::{Result, patients};

/// Standard deviations from the mean to a limit.
const REACH: f32 = 3.0;
/// Standard deviations by which the table may differ from the rule.
const NEAR: f32 = 0.5;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shared] = &arguments[..] else {
        return Err(data::Error::Invalid("give the folder with mitdb and svdb".into()).into());
    };
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let recipe = models.join("evidence/runs/resnet.toml");
    let mut settings = Recipe::InterPatient.defaults().overlay_file(&recipe)?;
    settings.data = Some(Path::new(shared).join("mitdb"));
    settings.extra = vec![Path::new(shared).join("svdb")];
    let sets = patients::beat_sets(&settings, prepare::without_limits, false)?;
    println!("{} beats of {}", sets.train.len(), sets.description);
    print(&sets.train);
    Ok(())
}

/// The table, a row per feature, and which of its values the rule reproduces.
fn print(beats: &Beats) {
    println!(
        "{:22} {:>15} {:>17} {:>15} {:>9}",
        "", "table", "rule", "apart, sd", "beyond, %"
    );
    let features = &beats.input.rhythm;
    let mut others = Vec::new();
    let moments = FeatureScaler::of(beats);
    for ((column, feature), (mean, deviation)) in features.iter().enumerate().zip(moments.moments())
    {
        let values = || beats.rhythm.iter().skip(column).step_by(features.len());
        let [low, high] = feature.limits();
        let least = values().copied().fold(f32::INFINITY, f32::min);
        let greatest = values().copied().fold(f32::NEG_INFINITY, f32::max);
        let rule = [
            (mean - REACH * deviation).max(least),
            (mean + REACH * deviation).min(greatest),
        ];
        let apart = [low - rule[0], high - rule[1]].map(|apart| apart / deviation);
        let beyond = values().filter(|value| !(low..=high).contains(*value));
        println!(
            "{:22} {low:7.2} {high:7.2} {:9.3} {:7.3} {:+7.2} {:+7.2} {:9.2}",
            feature.name(),
            rule[0],
            rule[1],
            apart[0],
            apart[1],
            100.0 * beyond.count() as f32 / beats.len() as f32
        );
        for (end, apart) in ["least", "greatest"].into_iter().zip(apart) {
            if apart.abs() > NEAR {
                others.push(format!("{} of {}", end, feature.name()));
            }
        }
    }
    println!(
        "within {NEAR} standard deviations of the rule: {} of {} values; not: {}",
        2 * features.len() - others.len(),
        2 * features.len(),
        others.join(", ")
    );
    let missing: Vec<&str> = (BeatFeature::ALL.iter())
        .filter(|feature| !features.contains(feature))
        .map(|feature| feature.name())
        .collect();
    if !missing.is_empty() {
        println!("the settings leave out {}", missing.join(", "));
    }
}
