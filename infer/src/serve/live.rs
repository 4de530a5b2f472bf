//! Live samples over a WebSocket, and a demo signal for who has none.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use data::Classes;
use data::pipeline::RATES;
use data::simulate::synth::{self, Settings};
use models::monitor::{BeatClassifier, Counter, Event, Line};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Server;
use super::answer::Error;
use super::tensor::Refusal;
use crate::live::{LiveClassifier, Monitor};

/// The route of the stream. A browser cannot send a header with it, so that its token
/// may come as the parameter `token`.
pub const STREAM: &str = "/v1/stream";

/// Streams at a time.
const STREAMS: usize = 256;

/// Bytes of a message of samples.
const MESSAGE: usize = 1 << 20;

/// How long a stream may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// What ends a stream of samples.
const END: &str = "end";

/// The demo's patient, and its longest recording in seconds.
const SEED: u64 = 7;
const LONGEST: f64 = 600.0;

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(stream))
        .routes(routes!(demo))
}

/// Streams that run.
pub struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Streams {
        Streams(Arc::new(Semaphore::new(STREAMS)))
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct About {
    /// Samples per second.
    fs: f64,
    /// The model; without it, the first that takes recordings.
    model: Option<String>,
    /// The bearer token, for browsers.
    #[allow(dead_code, reason = "the guard reads it")]
    token: Option<String>,
}

/// Live samples in, beats and rhythm events out.
///
/// A WebSocket. The client sends binary messages of little-endian 32-bit floats, mV,
/// NaN where there is no sample, one lead; the server sends text messages, a JSON
/// object each, as `embedded` prints them. After the text message `end` the last
/// events come, a summary, and the end.
#[utoipa::path(get, path = "/v1/stream", tag = "live", params(About),
    responses((status = 101, description = "The stream begins."), (status = 400, body = Error), (status = 404, body = Error),
        (status = 426, body = Error), (status = 503, body = Error)))]
async fn stream(
    State(server): State<Arc<Server>>,
    about: Result<Query<About>, axum::extract::rejection::QueryRejection>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let Query(about) = about.map_err(|e| Refusal::Invalid(e.to_string()))?;
    let classifier = &server
        .repository
        .pair(about.model.as_deref())?
        .model
        .classifier;
    let live = LiveClassifier::new(Arc::clone(classifier));
    let monitor = Monitor::new(live, about.fs, 1)
        .map_err(|e| Refusal::Invalid(data::record::error::told(&e)))?;
    let upgrade = upgrade.map_err(|e| Refusal::Invalid(format!("this is a WebSocket: {e}")))?;
    if server.is_stopping() {
        return Err(Refusal::Stopping);
    }
    let place = Arc::clone(&server.streams.0).try_acquire_owned();
    let place = place.map_err(|_| Refusal::Busy)?;
    let upgrade = upgrade.max_message_size(MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| Stream::new(server, monitor, about.fs, place).run(socket)))
}

/// A stream that runs.
struct Stream {
    server: Arc<Server>,
    monitor: Monitor,
    fs: f64,
    classes: Classes,
    counter: Counter,
    /// Bytes of a sample that is cut between messages.
    cut: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    fn new(server: Arc<Server>, monitor: Monitor, fs: f64, place: OwnedSemaphorePermit) -> Stream {
        let classes = monitor.classifier().contract().classes.clone();
        Stream {
            server,
            monitor,
            fs,
            counter: Counter::new(fs, &classes),
            classes,
            cut: Vec::new(),
            _place: place,
        }
    }

    async fn run(mut self, mut socket: WebSocket) {
        loop {
            let next = tokio::select! {
                next = tokio::time::timeout(PATIENCE, socket.recv()) => next,
                () = self.server.ended() => break,
            };
            let lines = match next {
                Ok(Some(Ok(Message::Binary(bytes)))) => self.push(&bytes),
                Ok(Some(Ok(Message::Text(text)))) if text.as_str() == END => break,
                Ok(Some(Ok(Message::Text(_)))) => {
                    let words = format!(
                        r#"{{"error":"samples come as binary messages; the text '{END}' ends the stream"}}"#
                    );
                    vec![words]
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => Vec::new(),
                // It is closed, broken, or says nothing any more.
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
                Err(_) => break,
            };
            if send(&mut socket, lines).await.is_err() {
                return;
            }
        }
        let last = self.finish();
        if send(&mut socket, last).await.is_ok() {
            let _ = socket.send(Message::Close(None)).await;
        }
    }

    /// The lines of what samples decide.
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.cut.extend_from_slice(bytes);
        let (words, rest) = self.cut.as_chunks::<4>();
        let samples: Vec<f32> = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
        self.cut = rest.to_vec();
        self.step(|monitor| monitor.push(&samples))
    }

    /// What still waits, and the summary.
    fn finish(&mut self) -> Vec<String> {
        let mut all = self.step(Monitor::finish);
        let totals = self.counter.totals(self.monitor.samples());
        all.push(text(&Line::Summary(&totals)));
        all
    }

    /// The lines of what a call of the monitor decides. The network runs on this
    /// thread, for less than a millisecond a beat.
    fn step(&mut self, call: impl FnOnce(&mut Monitor) -> crate::Result<&[Event]>) -> Vec<String> {
        tokio::task::block_in_place(|| match call(&mut self.monitor) {
            Ok(events) => lines(events, self.fs, &self.classes, &mut self.counter),
            Err(error) => vec![told(&error)],
        })
    }
}

fn lines(events: &[Event], fs: f64, classes: &Classes, counter: &mut Counter) -> Vec<String> {
    let each = events.iter().map(|event| {
        counter.event(event);
        text(&Line::of(event, fs, classes))
    });
    each.collect()
}

fn text(line: &Line<'_>) -> String {
    serde_json::to_string(line).unwrap_or_else(|error| told(&error))
}

fn told(error: &(dyn std::error::Error + 'static)) -> String {
    serde_json::json!({ "error": data::record::error::told(error) }).to_string()
}

async fn send(socket: &mut WebSocket, lines: Vec<String>) -> Result<(), axum::Error> {
    for line in lines {
        let sent = tokio::time::timeout(PATIENCE, socket.send(Message::Text(line.into()))).await;
        sent.unwrap_or_else(|e| Err(axum::Error::new(e)))?;
    }
    Ok(())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Demo {
    /// How long it is, at most 600.
    #[serde(default = "minute")]
    #[param(default = 60.0)]
    seconds: f64,
    /// Samples per second.
    #[serde(default = "rate")]
    #[param(default = 250.0)]
    fs: f64,
}

fn minute() -> f64 {
    60.0
}

fn rate() -> f64 {
    250.0
}

/// Synthetic ECG of one lead, little-endian 32-bit floats in mV.
#[utoipa::path(get, path = "/v1/demo", tag = "live", params(Demo),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 400, body = Error)))]
async fn demo(
    demo: Result<Query<Demo>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Demo { seconds, fs }) = demo.map_err(|e| Refusal::Invalid(e.to_string()))?;
    if !(1.0..=LONGEST).contains(&seconds) || !RATES.contains(&fs) {
        return Err(Refusal::Invalid(format!(
            "seconds may be 1 to {LONGEST}, fs {} to {}",
            RATES.start(),
            RATES.end()
        )));
    }
    let made = synth::record("demo", &Settings::new(fs, SEED), seconds);
    let (record, _) = made.map_err(|e| Refusal::Failed(e.to_string()))?;
    let samples = &record.signals[0].samples;
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let kind = (header::CONTENT_TYPE, "application/octet-stream");
    Ok(([kind], Body::from(bytes)).into_response())
}
