//! Recordings: sent, analysed, and kept for a while for who comes back to them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data::formats::samples;
use futures_util::StreamExt;
use report::BeatLog;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Server;
use super::analysis::{Analysis, Explanation, Watch};
use super::answer::Error;
use super::arguments::Arguments;
use super::media::Kind;
use super::spool::Spool;
use super::tensor::Refusal;
use super::upload::{Limits, receive};

/// Recordings that may wait for each that is worked on.
const WAITING: usize = 4;

/// Results that are kept, and their beats in all: more is given up, the oldest first.
const KEPT: usize = 64;
const KEPT_BEATS: usize = 8_000_000;

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(send))
        .routes(routes!(state, give_up))
        .routes(routes!(results))
        .routes(routes!(explain))
        // What is sent has a limit of its own, and goes to the disk.
        .layer(DefaultBodyLimit::disable())
}

/// All recordings of a server.
pub struct Recordings {
    spool: Spool,
    /// Those that may be here and are not finished.
    places: Arc<Semaphore>,
    /// Those that are worked on.
    work: Arc<Semaphore>,
    limits: Limits,
    keep: Duration,
    kept: Mutex<Vec<Kept>>,
}

/// A recording that somebody will come back to.
#[derive(Clone)]
struct Kept {
    id: String,
    since: Instant,
    entry: Arc<Entry>,
}

struct Entry {
    analysis: Analysis,
    outcome: Mutex<Outcome>,
    beats: AtomicUsize,
}

#[derive(Clone)]
enum Outcome {
    Working,
    Done(Arc<BeatLog>),
    Failed(String),
}

impl Recordings {
    /// None yet.
    ///
    /// # Errors
    /// There is no room on disk.
    pub fn new(arguments: &Arguments, threads: usize) -> crate::Result<Recordings> {
        let work = arguments.recordings.unwrap_or(threads.div_ceil(2));
        Ok(Recordings {
            spool: Spool::open()?,
            places: Arc::new(Semaphore::new(work * (1 + WAITING))),
            work: Arc::new(Semaphore::new(work)),
            limits: Limits {
                largest: (arguments.recording as u64) << 20,
                patience: arguments.patience(),
            },
            keep: Duration::from_secs(60 * arguments.keep),
            kept: Mutex::default(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &str) -> Result<Arc<Entry>, Refusal> {
        self.tidy();
        let kept = self.kept();
        let found = kept.iter().find(|kept| kept.id == id);
        found.map(|kept| Arc::clone(&kept.entry)).ok_or_else(|| {
            Refusal::NotFound(format!(
                "there is no such recording; results are kept for {} min",
                self.keep.as_secs() / 60
            ))
        })
    }

    /// Gives up what has been kept for long enough, and the oldest when it is much.
    fn tidy(&self) {
        let mut kept = self.kept();
        kept.retain(|kept| kept.since.elapsed() < self.keep || kept.entry.is_working());
        let beats = |kept: &[Kept]| -> usize {
            let each = kept.iter().map(|k| k.entry.beats.load(Ordering::Relaxed));
            each.sum()
        };
        while kept.len() > KEPT || kept.len() > 1 && beats(&kept) > KEPT_BEATS {
            let oldest = kept.iter().position(|kept| !kept.entry.is_working());
            match oldest {
                Some(oldest) => drop(kept.remove(oldest)),
                None => break,
            }
        }
    }

    /// Calls all work off.
    pub fn stop(&self) {
        for kept in self.kept().drain(..) {
            kept.entry.analysis.watch.call_off();
        }
    }
}

impl Entry {
    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_working(&self) -> bool {
        matches!(*self.outcome(), Outcome::Working)
    }

    /// The beats, where it is done.
    fn done(&self) -> Result<Arc<BeatLog>, Refusal> {
        match self.outcome().clone() {
            Outcome::Done(log) => Ok(log),
            Outcome::Working => Err(Refusal::NotYet),
            Outcome::Failed(words) => Err(Refusal::Invalid(words)),
        }
    }
}

/// What is said of a recording.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct About {
    /// The file's name, where the body is one file.
    name: Option<String>,
    /// The lead to read: a name, a number from 1, or `auto`.
    lead: Option<String>,
    /// For a table of samples: what its columns are, such as `fs=250,leads=ecg`.
    samples: Option<String>,
    /// The model; without it, the first that takes recordings.
    model: Option<String>,
}

/// How far a recording is.
#[derive(Serialize, ToSchema)]
struct Progress {
    id: String,
    /// `working`, `done` or `failed`.
    state: &'static str,
    /// The part that is done, 0 to 1.
    progress: f64,
    /// What is wrong with it, where it failed.
    error: Option<String>,
    /// Its beats, where it is done.
    beats: Option<usize>,
}

impl Progress {
    fn of(id: &str, entry: &Entry) -> Progress {
        let outcome = entry.outcome().clone();
        let (state, error, beats) = match outcome {
            Outcome::Working => ("working", None, None),
            Outcome::Done(log) => ("done", None, Some(log.beats.len())),
            Outcome::Failed(words) => ("failed", Some(words), None),
        };
        Progress {
            id: id.into(),
            state,
            progress: entry.analysis.watch.done(),
            error,
            beats,
        }
    }
}

/// Analyses a recording.
///
/// The body is a file of any format that `infer` reads, or several as
/// `multipart/form-data`. The answer comes in the kind that `Accept` asks for: the
/// numbers (JSON), the report (HTML), or beats (JSON Lines, CSV, Parquet, WFDB
/// annotations). With `Prefer: respond-async` the answer comes at once and says where
/// the results will be.
#[utoipa::path(post, path = "/v1/recordings", tag = "recordings", params(About,
        ("prefer" = Option<String>, Header)),
    request_body(content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "multipart/form-data"))),
    responses(
        (status = 200, content((Value = "application/json"), (String = "text/html"), (String = "application/x-ndjson"),
            (String = "text/csv"), (Vec<u8> = "application/vnd.apache.parquet"), (Vec<u8> = "application/x-wfdb-annotation"))),
        (status = 202, body = Progress), (status = 400, body = Error), (status = 404, body = Error),
        (status = 406, body = Error), (status = 408, body = Error), (status = 413, body = Error), (status = 503, body = Error)))]
async fn send(
    State(server): State<Arc<Server>>,
    about: Result<Query<About>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refusal> {
    let Query(about) = about.map_err(|e| Refusal::Invalid(e.to_string()))?;
    let later = headers
        .get_all("prefer")
        .iter()
        .any(|v| v.to_str().is_ok_and(|v| v.contains("respond-async")));
    let kinds = match later {
        true => Kind::ALL.to_vec(),
        false => vec![Kind::wanted(&headers)?],
    };
    if server.is_stopping() {
        return Err(Refusal::Stopping);
    }
    let recordings = &server.recordings;
    let place = Arc::clone(&recordings.places).try_acquire_owned();
    let place = place.map_err(|_| Refusal::Busy)?;
    let samples = about.samples.as_deref().map(str::parse::<samples::Options>);
    let analysis = Analysis {
        pair: server.repository.pair(about.model.as_deref())?.clone(),
        samples: samples
            .transpose()
            .map_err(|e| Refusal::Invalid(format!("samples: {e}")))?,
        study: recordings.spool.recording().map_err(failed)?,
        lead: about.lead.clone(),
        watch: Watch::default(),
    };
    let folder = analysis.study.input();
    receive(recordings.limits, request, about.name.as_deref(), &folder).await?;
    let entry = Arc::new(Entry {
        analysis,
        outcome: Mutex::new(Outcome::Working),
        beats: AtomicUsize::new(0),
    });
    if later {
        return Ok(accepted(&server, entry, place));
    }
    // Dropped with the request when its sender goes.
    let held = CallOff(Arc::clone(&entry));
    work(&server, &entry, &kinds, place).await;
    let log = entry.done();
    drop(held);
    log?;
    file(&entry, kinds[0]).await
}

/// Calls the work off when nobody waits for it.
struct CallOff(Arc<Entry>);

impl Drop for CallOff {
    fn drop(&mut self) {
        self.0.analysis.watch.call_off();
    }
}

/// Keeps a recording, works on it, and says where the results will be.
fn accepted(server: &Arc<Server>, entry: Arc<Entry>, place: OwnedSemaphorePermit) -> Response {
    let id = format!("{:032x}", rand::random::<u128>());
    server.recordings.kept().push(Kept {
        id: id.clone(),
        since: Instant::now(),
        entry: Arc::clone(&entry),
    });
    server.recordings.tidy();
    let progress = Progress::of(&id, &entry);
    let server = Arc::clone(server);
    tokio::spawn(async move { work(&server, &entry, &Kind::ALL, place).await });
    let location = (header::LOCATION, format!("/v1/recordings/{id}"));
    (StatusCode::ACCEPTED, [location], Json(progress)).into_response()
}

/// Analyses a recording on a thread that may wait for the disk.
async fn work(
    server: &Arc<Server>,
    entry: &Arc<Entry>,
    kinds: &[Kind],
    place: OwnedSemaphorePermit,
) {
    let Ok(turn) = Arc::clone(&server.recordings.work).acquire_owned().await else {
        return;
    };
    let (server, entry, kinds) = (Arc::clone(server), Arc::clone(entry), kinds.to_vec());
    let worked = tokio::task::spawn_blocking(move || {
        let outcome = match entry.analysis.run(&kinds, &server.metrics) {
            Ok(log) => {
                entry.beats.store(log.beats.len(), Ordering::Relaxed);
                Outcome::Done(Arc::new(log))
            }
            Err(error) => {
                let words = data::record::error::told(&error);
                Outcome::Failed(entry.analysis.study.without_path(&words))
            }
        };
        *entry.outcome() = outcome;
        drop((place, turn));
    });
    if let Err(error) = worked.await {
        tracing::error!(%error, "an analysis ended early");
    }
}

/// How far a recording is.
#[utoipa::path(get, path = "/v1/recordings/{id}", tag = "recordings", params(("id" = String, Path)),
    responses((status = 200, body = Progress), (status = 400, body = Error), (status = 404, body = Error)))]
async fn state(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
) -> Result<Json<Progress>, Refusal> {
    let entry = server.recordings.get(&id)?;
    Ok(Json(Progress::of(&id, &entry)))
}

/// Gives a recording and its results up.
#[utoipa::path(delete, path = "/v1/recordings/{id}", tag = "recordings", params(("id" = String, Path)),
    responses((status = 204), (status = 400, body = Error), (status = 404, body = Error)))]
async fn give_up(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let entry = server.recordings.get(&id)?;
    entry.analysis.watch.call_off();
    server.recordings.kept().retain(|kept| kept.id != id);
    Ok(StatusCode::NO_CONTENT)
}

/// What was made of a recording, in the kind that `Accept` asks for.
#[utoipa::path(get, path = "/v1/recordings/{id}/results", tag = "recordings", params(("id" = String, Path)),
    responses(
        (status = 200, content((Value = "application/json"), (String = "text/html"), (String = "application/x-ndjson"),
            (String = "text/csv"), (Vec<u8> = "application/vnd.apache.parquet"), (Vec<u8> = "application/x-wfdb-annotation"))),
        (status = 400, body = Error), (status = 404, body = Error), (status = 406, body = Error), (status = 409, body = Error)))]
async fn results(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let entry = server.recordings.get(&id)?;
    let kind = Kind::wanted(&headers)?;
    entry.done()?;
    file(&entry, kind).await
}

/// Why a beat has its class: credits of its samples by the explain graph, and the
/// same in words.
#[utoipa::path(get, path = "/v1/recordings/{id}/beats/{row}", tag = "recordings",
    params(("id" = String, Path), ("row" = u64, Path)),
    responses((status = 200, body = Explanation), (status = 400, body = Error), (status = 404, body = Error),
        (status = 409, body = Error), (status = 503, body = Error)))]
async fn explain(
    State(server): State<Arc<Server>>,
    Path((id, row)): Path<(String, String)>,
) -> Result<Json<Explanation>, Refusal> {
    let entry = server.recordings.get(&id)?;
    let log = entry.done()?;
    let number = row.parse().ok().filter(|row| *row < log.beats.len());
    let row = number.ok_or_else(|| {
        Refusal::NotFound(format!(
            "there is no beat {row:?}; there are {}",
            log.beats.len()
        ))
    })?;
    let turn = Arc::clone(&server.recordings.places).try_acquire_owned();
    let turn = turn.map_err(|_| Refusal::Busy)?;
    let worked = tokio::task::spawn_blocking(move || {
        let explained = entry.analysis.explain(&log, row);
        drop(turn);
        explained.map_err(|e| {
            entry
                .analysis
                .study
                .without_path(&data::record::error::told(&e))
        })
    });
    match worked.await {
        Ok(explained) => explained.map(Json).map_err(Refusal::Failed),
        Err(error) => Err(Refusal::Failed(error.to_string())),
    }
}

/// A file of results as a stream.
async fn file(entry: &Arc<Entry>, kind: Kind) -> Result<Response, Refusal> {
    let path = entry.analysis.study.results().join(kind.file());
    let io = |e: std::io::Error| Refusal::Failed(e.to_string());
    let file = tokio::fs::File::open(&path).await.map_err(io)?;
    let length = file.metadata().await.map_err(io)?.len();
    // The folder stays while it is read.
    let held = Arc::clone(entry);
    let stream = ReaderStream::new(file).inspect(move |_| {
        let _ = &held;
    });
    let media_type = match kind {
        Kind::Page => "text/html; charset=utf-8",
        Kind::Csv => "text/csv; charset=utf-8",
        other => other.media_type(),
    };
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(media_type),
    );
    headers.insert(header::VARY, header::HeaderValue::from_static("accept"));
    Ok(response)
}

fn failed(error: crate::Error) -> Refusal {
    Refusal::Failed(data::record::error::told(&error))
}
