//! The task `serve`: models and recordings behind HTTP and gRPC.
//!
//! A request goes one way: [`connections`] accepts it, [`limits`] lets it in,
//! [`protocol`] (JSON and bytes) or [`grpc`] reads its tensors, [`batching`] runs the
//! graph of the [`repository`] with those of others, and the answer goes back.

mod analysis;
mod answer;
pub mod arguments;
mod batching;
mod connections;
mod grpc;
mod limits;
mod linger;
mod live;
mod media;
mod metrics;
mod numbers;
mod page;
mod protocol;
mod recordings;
mod repository;
mod request;
mod spool;
mod tensor;
mod upload;

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, Method, header};
use axum::response::IntoResponse;
use data::output::signals;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::cors::CorsLayer;
use tracing_subscriber::EnvFilter;
use utoipa::openapi::SecurityRequirement;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use self::arguments::{Arguments, Log};
use self::batching::{Batcher, Settings};
use self::connections::Connections;
use self::limits::Limits;
use self::live::Streams;
use self::metrics::Metrics;
use self::recordings::Recordings;
use self::repository::Repository;
use self::tensor::Refusal;
use crate::error::{Error, Result};
use crate::shipped;

/// The name of the token in the description of the API.
const BEARER: &str = "bearer";
/// How long requests that run have when the server ends.
const GRACE: Duration = Duration::from_secs(60);

/// Everything that handlers share.
pub struct Server {
    repository: Repository,
    batcher: Batcher,
    recordings: Recordings,
    streams: Streams,
    limits: Limits,
    metrics: Arc<Metrics>,
    stopped: watch::Receiver<bool>,
}

impl Server {
    fn is_stopping(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits until the server is asked to end.
    async fn ended(&self) {
        // Who would ask is gone only when all ends.
        let _ = self.stopped.clone().wait_for(|stop| *stop).await;
    }
}

/// The description of the API, which routes add themselves to.
#[derive(OpenApi)]
#[openapi(modifiers(&Bearer), info(
    title = "Ectopy",
    description = "Heartbeats classified and explained. Research software, not a medical device.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
))]
struct Api;

/// The token in the description: each route may ask for it, and none does where the
/// server was started without one.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token of --token-file, where the server has one."));
        let scheme = SecurityScheme::Http(scheme.build());
        let components = api.components.get_or_insert_default();
        components.add_security_scheme(BEARER, scheme);
        let no_scopes: [&str; 0] = [];
        api.security = Some(vec![
            SecurityRequirement::default(),
            SecurityRequirement::new(BEARER, no_scopes),
        ]);
    }
}

/// Serves until SIGTERM, SIGINT or SIGHUP asks it to end; what has been accepted is
/// answered then.
///
/// # Errors
/// A model cannot be loaded, the address cannot be had, or requests were still
/// running when their time was up.
pub fn run(arguments: &Arguments) -> Result<()> {
    log(arguments.log);
    open_files();
    arguments.device.choose();
    let (stop, stopped) = watch::channel(false);
    let stop = Arc::new(stop);
    let asked = Arc::clone(&stop);
    signals::on_signals(move |signal| {
        // Who asks twice does not want to wait.
        if asked.send_replace(true) {
            signals::end(signal);
        }
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads(arguments))
        .enable_all()
        .build()
        .map_err(|e| Error::Runtime(format!("threads cannot be started: {e}")))?;
    runtime.block_on(serve(arguments, stopped))
}

fn threads(arguments: &Arguments) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    arguments.threads.map_or_else(cores, NonZeroUsize::get)
}

/// Lets the process have as many open files as the system allows it: each connection is
/// one, and the usual first limit is 1,024.
fn open_files() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, open_files = limit.current, "the limit of open files stays");
    }
}

fn log(log: Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Another one that is set already serves as well.
    let _ = match log {
        Log::Text => lines.try_init(),
        Log::Json => lines.json().try_init(),
    };
}

async fn serve(arguments: &Arguments, stopped: watch::Receiver<bool>) -> Result<()> {
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(connections::tls(certificate, key)?),
        _ => None,
    };
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|e| Error::Input(format!("{} cannot be listened at: {e}", arguments.listen)))?;
    let server = server(arguments, stopped.clone())?;
    told(&server, &listener, tls.is_some());
    let connections = Connections {
        router: router(&server, arguments),
        tls,
        most: arguments.connections,
        grace: GRACE,
        metrics: Arc::clone(&server.metrics),
    };
    let all = connections.serve(listener, stopped).await;
    // Runs what is still asked for, which is nothing where all has ended.
    server.batcher.stop();
    server.recordings.stop();
    match all {
        true => Ok(()),
        false => Err(Error::Runtime(format!(
            "requests were still running {} s after the server was asked to end",
            GRACE.as_secs()
        ))),
    }
}

/// The server's routes without a listener: for a program that answers requests which
/// come in another way.
///
/// # Errors
/// A model cannot be loaded, or the folder for recordings not be made.
pub fn routes(arguments: &Arguments) -> Result<Router> {
    let (_, stopped) = watch::channel(false);
    Ok(router(&server(arguments, stopped)?, arguments))
}

/// Loads the models, and starts what works for the handlers.
fn server(arguments: &Arguments, stopped: watch::Receiver<bool>) -> Result<Arc<Server>> {
    let threads = threads(arguments);
    let token = arguments.token_file.as_deref();
    let limits = Limits::new(arguments.body << 20, arguments.patience(), token)?;
    let models = match arguments.models.is_empty() {
        true => shipped::all()?,
        false => arguments.models.clone(),
    };
    let metrics = Arc::new(Metrics::default());
    let settings = Settings {
        batch: arguments.batch,
        delay: Duration::from_millis(arguments.batch_delay),
        queue: arguments.queue,
        workers: threads,
    };
    Ok(Arc::new(Server {
        repository: Repository::load(&models, threads)?,
        batcher: Batcher::new(settings, Arc::clone(&metrics)),
        recordings: Recordings::new(arguments, threads)?,
        streams: Streams::default(),
        limits,
        metrics,
        stopped,
    }))
}

/// Says what is served, and where.
fn told(server: &Server, listener: &TcpListener, tls: bool) {
    for model in server.repository.models() {
        tracing::info!(model = model.name, version = model.version, "serves");
    }
    let scheme = if tls { "https" } else { "http" };
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listens at {scheme}://{address}, HTTP and gRPC");
    }
}

fn router(server: &Arc<Server>, arguments: &Arguments) -> Router {
    let described = OpenApiRouter::with_openapi(Api::openapi())
        .merge(protocol::routes())
        .merge(recordings::routes())
        .merge(live::routes());
    let (router, api) = described.split_for_parts();
    let api = Arc::new(api);
    let router = router
        .route(
            "/openapi.json",
            axum::routing::get(move || {
                let api = Arc::clone(&api);
                async move { axum::Json((*api).clone()) }
            }),
        )
        .merge(page::routes())
        .route("/metrics", axum::routing::get(metrics_text))
        .method_not_allowed_fallback(|| async { Refusal::NoSuchMethod })
        .fallback(|| async { Refusal::NotFound("there is no such route; see /docs".into()) })
        .with_state(Arc::clone(server))
        .route_service(
            grpc::ROUTE,
            grpc::service(Arc::clone(server), arguments.body << 20),
        )
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(server),
            limits::guard,
        ));
    if arguments.cors.is_empty() {
        return router;
    }
    router.layer(
        CorsLayer::new()
            .allow_origin(arguments.cors.clone())
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([
                header::ACCEPT,
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                HeaderName::from_static("prefer"),
                HeaderName::from_static(request::JSON_LENGTH),
            ]),
    )
}

async fn metrics_text(State(server): State<Arc<Server>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], server.metrics.text())
}
