//! Makes the network that names malignant rhythms, and its figures:
//!
//! ```text
//! cargo run --release -p data --no-default-features --example malignant -- COMMAND SHARED [WEIGHTS]
//! ```
//!
//! `SHARED` is a folder with the databases `cudb`, `vfdb`, `mitdb`, `nstdb` and
//! `svdb`. `loro` trains without each malignant recording in turn and prints
//! how it fares on it; `train` learns from all and writes the file `WEIGHTS`
//! (`data/src/pipeline/malignant/weights.rs`); `alarms` counts the false alarms of the
//! shipped weights on DS2 and `svdb`, from which nothing is learnt.

mod adam;
mod literals;
mod random;
mod records;
mod scoring;
mod training;
mod writing;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use data::pipeline::input::InputSpec;
use data::pipeline::malignant::{Episode, Kind, Network, SHIPPED, Watch};
use data::pipeline::readable::{Condition, Readability};
use data::signal::filter::BandPass;
use data::{Error, Result};

use records::{Lead, Span, Use};
use scoring::Score;
use training::Example;

const SEED: u64 = 1;
/// How often each kind is drawn.
const SHARES: [f64; 3] = [0.6, 0.2, 0.2];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["loro", shared] => leave_one_out(&records::read(Path::new(shared))?),
        ["alarms", shared] => alarms(&records::read(Path::new(shared))?, &SHIPPED),
        ["train", shared, weights] => {
            let leads = records::read(Path::new(shared))?;
            let network = learn(&leads, None);
            writing::write(Path::new(weights), &network, SEED)
        }
        _ => Err(Error::Invalid(
            "give one of: loro SHARED, alarms SHARED, train SHARED WEIGHTS".into(),
        )),
    }
}

/// Learns from all recordings but one.
fn learn(leads: &[Lead], without: Option<&str>) -> Box<Network> {
    let mut examples = Vec::new();
    for lead in leads {
        if lead.usage == Use::Alarms || without == Some(lead.name.as_str()) {
            continue;
        }
        let count = |kind| lead.kinds.iter().filter(|k| **k == Some(kind)).count() as f64;
        let counts = [count(0), count(1), count(2)];
        for (inputs, kind) in lead.windows.iter().zip(&lead.kinds) {
            let Some(kind) = *kind else { continue };
            // A recording counts with the square root of its length.
            let weight = importance(lead, kind) / counts[kind].sqrt();
            examples.push(Example {
                inputs,
                kind,
                weight,
            });
        }
    }
    let mut totals = [0.0; 3];
    for example in &examples {
        totals[example.kind] += example.weight;
    }
    for example in &mut examples {
        example.weight *= SHARES[example.kind] / totals[example.kind];
    }
    training::train(&examples, SEED)
}

fn importance(lead: &Lead, kind: usize) -> f64 {
    let speed = match (lead.stretched, kind) {
        (false, _) => 1.0,
        (true, 0) => 0.2,
        (true, _) => 0.7,
    };
    speed
        * match (lead.database, kind) {
            ("mitdb", 0) => 0.6,
            ("mitdb", _) => 3.0,
            ("nstdb", 0) => 0.5,
            _ => 1.0,
        }
}

/// What the watch reports of a lead: malignant spans and asystoles.
fn watch(lead: &Lead, network: &'static Network) -> Result<(Vec<Span>, Vec<Span>, Vec<f64>)> {
    let spec = InputSpec::window();
    let band = spec.band.ok_or_else(|| Error::Invalid("no band".into()))?;
    let mut filter = BandPass::new(band, spec.fs)?;
    let mut readability = Readability::new(spec.fs, 1);
    let mut watch = Watch::with_network(spec.fs, 1, network);
    let (mut spans, mut flat, mut told) = (Vec::new(), Vec::new(), Vec::new());
    let mut now = 0u64;
    let mut take = |episode: Episode, now: u64| {
        let Some(end) = episode.end else {
            if episode.kind != Kind::Asystole {
                told.push(now as f64 / spec.fs);
            }
            return;
        };
        let (kind, list) = match episode.kind {
            Kind::Asystole => (0, &mut flat),
            Kind::Tachycardia => (1, &mut spans),
            Kind::Fibrillation => (2, &mut spans),
        };
        list.push(Span {
            start: episode.start as f64 / spec.fs,
            end: end as f64 / spec.fs,
            kind,
        });
    };
    for &x in &lead.signal {
        now += 1;
        readability.push(&[x]);
        let readable = matches!(
            readability.condition(),
            Condition::Readable | Condition::Flat
        );
        watch.push(&[filter.step(x)], readable, &mut |e| take(e, now));
    }
    watch.restart(&mut |e| take(e, now));
    Ok((spans, flat, told))
}

fn leave_one_out(leads: &[Lead]) -> Result<()> {
    let mut names: Vec<&str> = leads
        .iter()
        .filter(|l| l.usage == Use::Malignant)
        .map(|l| l.name.as_str())
        .collect();
    names.dedup();
    let next = AtomicUsize::new(0);
    let networks: Mutex<Vec<(usize, &'static Network)>> = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(name) = names.get(at) else { break };
                    let network = Box::leak(learn(leads, Some(name)));
                    if let Ok(mut networks) = networks.lock() {
                        networks.push((at, network));
                    }
                }
            });
        }
    });
    let mut networks = networks.into_inner().unwrap_or_default();
    networks.sort_by_key(|n| n.0);
    println!("record   reference s  test s  both s  episodes found  reported right  delay s");
    let mut total = Score::default();
    let (mut by_kind, mut flat_time) = ([[0.0f64; 2]; 3], 0.0);
    for (at, network) in networks {
        let Some(lead) = leads
            .iter()
            .find(|l| l.name == names[at] && l.channel == 0 && !l.stretched)
        else {
            continue;
        };
        let (spans, flat, told) = watch(lead, network)?;
        let score = Score::of(&lead.spans, &spans);
        total.add(score);
        for kind in [1, 2] {
            let of_kind: Vec<Span> = lead
                .spans
                .iter()
                .filter(|s| s.kind == kind)
                .copied()
                .collect();
            let score = Score::of(&of_kind, &spans);
            by_kind[kind][0] += score.both;
            by_kind[kind][1] += score.reference;
        }
        flat_time += Score::of(&lead.spans, &flat).both;
        print_row(&lead.name, &score, delay(&lead.spans, &told));
    }
    print_row("all", &total, None);
    println!(
        "duration Se {:.3} +P {:.3}, episode Se {:.3} +P {:.3}; Se of VT {:.3}, of VF {:.3}; asystole during them {:.3} %",
        total.both / total.reference,
        total.both / total.test,
        total.found as f64 / total.episodes as f64,
        total.right as f64 / total.reported as f64,
        by_kind[1][0] / by_kind[1][1],
        by_kind[2][0] / by_kind[2][1],
        100.0 * flat_time / total.reference
    );
    Ok(())
}

/// Median seconds from the onset of an episode of at least 10 s to its report.
fn delay(reference: &[Span], told: &[f64]) -> Option<f64> {
    let mut delays: Vec<f64> = scoring::joined(reference)
        .iter()
        .filter(|(start, end)| end - start >= 10.0)
        .filter_map(|(start, end)| {
            let first = told.iter().find(|t| **t >= *start && **t <= *end + 5.0)?;
            Some(first - start)
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    delays.get(delays.len() / 2).copied()
}

fn print_row(name: &str, score: &Score, delay: Option<f64>) {
    println!(
        "{name:8} {:11.0} {:7.0} {:7.0} {:9} {:5} {:9} {:5} {:>8}",
        score.reference,
        score.test,
        score.both,
        score.episodes,
        score.found,
        score.reported,
        score.right,
        delay.map_or_else(|| "-".to_owned(), |d| format!("{d:.1}"))
    );
}

fn alarms(leads: &[Lead], network: &'static Network) -> Result<()> {
    for (name, database, usage) in [
        ("DS1", "mitdb", Use::Other),
        ("nstdb", "nstdb", Use::Other),
        ("svdb", "svdb", Use::Alarms),
        ("DS2", "mitdb", Use::Alarms),
    ] {
        let (mut hours, mut alarms, mut flats) = (0.0, 0, 0);
        for lead in leads
            .iter()
            .filter(|l| l.database == database && l.usage == usage && l.channel == 0)
        {
            let (spans, flat, _) = watch(lead, network)?;
            hours += lead.length / 3600.0;
            flats += flat.len();
            for &(start, end) in &scoring::joined(&spans) {
                let span = [Span {
                    start,
                    end,
                    kind: 1,
                }];
                if Score::of(&lead.spans, &span).right == 0 {
                    alarms += 1;
                    println!("  {}: {start:.0} to {end:.0} s", lead.name);
                }
            }
        }
        println!(
            "{name}: {alarms} false alarms in {hours:.1} h, {:.2} in 24 h; {flats} asystoles",
            24.0 * f64::from(alarms) / hours
        );
    }
    Ok(())
}
