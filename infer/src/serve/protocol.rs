//! The Open Inference Protocol, version 2, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Server;
use super::answer::Error;
use super::repository::PLATFORM;
use super::request::{self, AnswerSchema, JSON_LENGTH, RequestSchema};
use super::tensor::{Refusal, TensorSpec};

/// The server's name in its metadata.
pub const NAME: &str = "ectopy";

/// What the server knows beyond the protocol.
pub const EXTENSIONS: [&str; 1] = ["binary_tensor_data"];

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(server_metadata))
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(model_metadata))
        .routes(routes!(version_metadata))
        .routes(routes!(model_ready))
        .routes(routes!(version_ready))
        .routes(routes!(infer))
        .routes(routes!(infer_version))
}

#[derive(Serialize, ToSchema)]
struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
struct Live {
    live: bool,
}

#[derive(Serialize, ToSchema)]
struct Ready {
    ready: bool,
}

#[derive(Serialize, ToSchema)]
struct ModelReady {
    name: String,
    ready: bool,
}

#[derive(Serialize, ToSchema)]
struct ModelMetadata {
    name: String,
    versions: Vec<String>,
    platform: &'static str,
    inputs: Vec<TensorMetadata>,
    outputs: Vec<TensorMetadata>,
}

#[derive(Serialize, ToSchema)]
struct TensorMetadata {
    name: String,
    datatype: &'static str,
    /// Sizes; -1 for the number of beats, which the request chooses.
    shape: Vec<i64>,
}

impl TensorMetadata {
    fn of(specs: &[TensorSpec]) -> Vec<TensorMetadata> {
        let each = specs.iter().map(|spec| TensorMetadata {
            name: spec.name.clone(),
            datatype: spec.data_type.name(),
            shape: spec.shape.clone(),
        });
        each.collect()
    }
}

/// What the server is.
#[utoipa::path(get, path = "/v2", tag = "inference", responses((status = 200, body = ServerMetadata), (status = 401, body = Error)))]
async fn server_metadata() -> Json<ServerMetadata> {
    Json(ServerMetadata {
        name: NAME,
        version: env!("CARGO_PKG_VERSION"),
        extensions: EXTENSIONS.to_vec(),
    })
}

/// Whether the server runs.
#[utoipa::path(get, path = "/v2/health/live", tag = "inference", responses((status = 200, body = Live)), security(()))]
async fn live() -> Json<Live> {
    Json(Live { live: true })
}

/// Whether the server takes requests.
#[utoipa::path(get, path = "/v2/health/ready", tag = "inference",
    responses((status = 200, body = Ready), (status = 503, body = Error)), security(()))]
async fn ready(State(server): State<Arc<Server>>) -> Result<Json<Ready>, Refusal> {
    match server.is_stopping() {
        true => Err(Refusal::Stopping),
        false => Ok(Json(Ready { ready: true })),
    }
}

/// What a model takes and gives.
#[utoipa::path(get, path = "/v2/models/{model}", tag = "inference", params(("model" = String, Path)),
    responses((status = 200, body = ModelMetadata), (status = 400, body = Error), (status = 401, body = Error), (status = 404, body = Error)))]
async fn model_metadata(
    State(server): State<Arc<Server>>,
    Path(model): Path<String>,
) -> Result<Json<ModelMetadata>, Refusal> {
    metadata(&server, &model, None)
}

/// What a version of a model takes and gives.
#[utoipa::path(get, path = "/v2/models/{model}/versions/{version}", tag = "inference",
    params(("model" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = ModelMetadata), (status = 400, body = Error), (status = 401, body = Error), (status = 404, body = Error)))]
async fn version_metadata(
    State(server): State<Arc<Server>>,
    Path((model, version)): Path<(String, String)>,
) -> Result<Json<ModelMetadata>, Refusal> {
    metadata(&server, &model, Some(&version))
}

fn metadata(
    server: &Server,
    name: &str,
    version: Option<&str>,
) -> Result<Json<ModelMetadata>, Refusal> {
    let model = server.repository.get(name, version)?;
    let versions = server.repository.versions(name).into_iter();
    Ok(Json(ModelMetadata {
        name: model.name.clone(),
        versions: versions.map(|m| m.version.clone()).collect(),
        platform: PLATFORM,
        inputs: TensorMetadata::of(&model.inputs),
        outputs: TensorMetadata::of(&model.outputs),
    }))
}

/// Whether a model can be used.
#[utoipa::path(get, path = "/v2/models/{model}/ready", tag = "inference", params(("model" = String, Path)),
    responses((status = 200, body = ModelReady), (status = 400, body = Error), (status = 401, body = Error), (status = 404, body = Error)))]
async fn model_ready(
    State(server): State<Arc<Server>>,
    Path(model): Path<String>,
) -> Result<Json<ModelReady>, Refusal> {
    is_ready(&server, &model, None)
}

/// Whether a version of a model can be used.
#[utoipa::path(get, path = "/v2/models/{model}/versions/{version}/ready", tag = "inference",
    params(("model" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = ModelReady), (status = 400, body = Error), (status = 401, body = Error), (status = 404, body = Error)))]
async fn version_ready(
    State(server): State<Arc<Server>>,
    Path((model, version)): Path<(String, String)>,
) -> Result<Json<ModelReady>, Refusal> {
    is_ready(&server, &model, Some(&version))
}

fn is_ready(
    server: &Server,
    name: &str,
    version: Option<&str>,
) -> Result<Json<ModelReady>, Refusal> {
    let model = server.repository.get(name, version)?;
    Ok(Json(ModelReady {
        name: model.name.clone(),
        ready: true,
    }))
}

/// Runs a model on beats.
///
/// The body is JSON; with the binary tensor extension, values of tensors follow
/// it, and the header `Inference-Header-Content-Length` says how many bytes are
/// JSON.
#[utoipa::path(post, path = "/v2/models/{model}/infer", tag = "inference", params(("model" = String, Path)),
    request_body = RequestSchema,
    responses((status = 200, body = AnswerSchema), (status = 400, body = Error), (status = 401, body = Error), (status = 404, body = Error),
        (status = 408, body = Error), (status = 413, body = Error), (status = 415, body = Error), (status = 503, body = Error)))]
async fn infer(
    State(server): State<Arc<Server>>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    run(&server, (&model, None), &headers, body).await
}

/// Runs a version of a model on beats.
#[utoipa::path(post, path = "/v2/models/{model}/versions/{version}/infer", tag = "inference",
    params(("model" = String, Path), ("version" = String, Path)),
    request_body = RequestSchema,
    responses((status = 200, body = AnswerSchema), (status = 400, body = Error), (status = 401, body = Error), (status = 404, body = Error),
        (status = 408, body = Error), (status = 413, body = Error), (status = 415, body = Error), (status = 503, body = Error)))]
async fn infer_version(
    State(server): State<Arc<Server>>,
    Path((model, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    run(&server, (&model, Some(&version)), &headers, body).await
}

async fn run(
    server: &Server,
    (name, version): (&str, Option<&str>),
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let model = server.repository.get(name, version)?;
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| coding != "identity") {
        return Err(Refusal::Unsupported(
            "the body is compressed; send it as it is".into(),
        ));
    }
    let json = json_length(headers)?;
    let (body, _held) = server.limits.body(headers, body).await?;
    let understood = request::read(&body, json, model)?;
    drop(body);
    let (id, asked) = (understood.id, understood.asked);
    let (inputs, rows) = model.arrange(understood.inputs)?;
    let outputs = server.batcher.run(model, inputs, rows).await?;
    let (body, json) = request::write(model, id.as_deref(), &outputs, &asked)?;
    Ok(answer(body, json))
}

fn answer(body: Vec<u8>, json: Option<usize>) -> Response {
    let kind = match json {
        Some(_) => "application/octet-stream",
        None => "application/json",
    };
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let mut response = ([kind], body).into_response();
    if let Some(length) = json {
        let headers = response.headers_mut();
        headers.insert(JSON_LENGTH, HeaderValue::from(length));
    }
    response
}

fn json_length(headers: &HeaderMap) -> Result<Option<usize>, Refusal> {
    let Some(value) = headers.get(JSON_LENGTH) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|v| v.parse().ok());
    number.map(Some).ok_or_else(|| {
        Refusal::Invalid(format!(
            "{JSON_LENGTH} is the number of bytes that are JSON"
        ))
    })
}
