//! What a server counts, as Prometheus reads it.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::repository::Model;
use super::tensor::{Tensor, Values};

/// A route, as it is written in the API, and how it ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfModel {
    model: String,
    version: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfClass {
    model: String,
    class: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counters, gauges and histograms.
pub struct Metrics {
    registry: Registry,
    requests: Histograms<Route>,
    runs: Histograms<OfModel>,
    batches: Histograms<OfModel>,
    queue: Gauge,
    connections: Gauge,
    refused: Family<Why, Counter>,
    classes: Family<OfClass, Counter>,
}

/// From a tenth of a millisecond to a minute and a half.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(1e-4, 2.5, 16))
}

/// From one row to 1,024.
fn rows() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 11))
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("ectopy");
        let requests = Histograms::<Route>::new_with_constructor(times as fn() -> Histogram);
        let runs = Histograms::<OfModel>::new_with_constructor(times as fn() -> Histogram);
        let batches = Histograms::<OfModel>::new_with_constructor(rows as fn() -> Histogram);
        let (queue, connections) = (Gauge::default(), Gauge::default());
        let (refused, classes) = (Family::default(), Family::default());
        registry.register_with_unit(
            "request_duration",
            "Time from the head of a request to the head of its answer",
            Unit::Seconds,
            requests.clone(),
        );
        registry.register_with_unit(
            "run_duration",
            "Time of a run of a graph",
            Unit::Seconds,
            runs.clone(),
        );
        registry.register("batch_rows", "Rows of a run of a graph", batches.clone());
        registry.register("queue_rows", "Rows that wait for a run", queue.clone());
        registry.register("connections", "Open connections", connections.clone());
        registry.register("refused", "Requests that got no answer", refused.clone());
        registry.register("beats", "Beats by class", classes.clone());
        Metrics {
            registry,
            requests,
            runs,
            batches,
            queue,
            connections,
            refused,
            classes,
        }
    }
}

impl Metrics {
    /// A request to a route of the API has been answered.
    pub fn answered(&self, route: &str, status: u16, after: Duration) {
        let route = Route {
            route: route.into(),
            status,
        };
        self.requests
            .get_or_create(&route)
            .observe(after.as_secs_f64());
    }

    /// A graph has been run on rows.
    pub fn ran(&self, model: &Model, rows: usize, time: Duration) {
        let of = OfModel {
            model: model.name.clone(),
            version: model.version.clone(),
        };
        self.runs.get_or_create(&of).observe(time.as_secs_f64());
        self.batches.get_or_create(&of).observe(rows as f64);
    }

    /// Rows have these probabilities, row after row.
    pub fn classified(&self, model: &Model, probabilities: &Tensor) {
        let Some(classifier) = model.classifier() else {
            return;
        };
        let classes = &classifier.contract.classes;
        let Values::Fp32(values) = &probabilities.values else {
            return;
        };
        let mut counts = vec![0; classes.len()];
        for row in values.chunks_exact(classes.len().max(1)) {
            let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
            best.into_iter().for_each(|class| counts[class] += 1);
        }
        self.beats(&model.name, classes.names().zip(counts));
    }

    /// Beats have been classified.
    pub fn beats<'a>(&self, model: &str, counts: impl Iterator<Item = (&'a str, u64)>) {
        for (class, count) in counts.filter(|(_, count)| *count > 0) {
            let of = OfClass {
                model: model.into(),
                class: class.into(),
            };
            self.classes.get_or_create(&of).inc_by(count);
        }
    }

    /// So many rows wait.
    pub fn queue(&self, rows: usize) {
        self.queue.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    /// A connection is there (1), or has gone (-1).
    pub fn connection(&self, change: i64) {
        self.connections.inc_by(change);
    }

    /// A request was refused.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Why { reason }).inc();
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string takes whatever is written.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
