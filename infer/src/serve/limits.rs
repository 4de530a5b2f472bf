//! What requests may take: room, time, and a token.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Server;
use super::answer::Refused;
use super::live::STREAM;
use super::tensor::Refusal;
use super::{grpc, linger};
use crate::error::{Error, Result};

/// Bodies of the largest size that are held at a time.
const BODIES: usize = 16;

/// Bytes of a unit of the room for bodies.
const UNIT: usize = 1024;

/// Routes that need no token: a machine asks whether the server is well, and the page
/// asks for the token itself.
const OPEN: [&str; 6] = [
    "/v2/health/live",
    "/v2/health/ready",
    "/",
    "/page.js",
    "/page.css",
    "/docs",
];

/// Limits of requests.
pub struct Limits {
    body: usize,
    room: Arc<Semaphore>,
    patience: Duration,
    /// The hash of the token, so that tokens of any length are compared in the same
    /// time.
    token: Option<[u8; 32]>,
}

impl Limits {
    /// Bodies of at most so many bytes, all of them within `patience`.
    ///
    /// # Errors
    /// The file of the token cannot be read, or holds none.
    pub fn new(body: usize, patience: Duration, token: Option<&Path>) -> Result<Limits> {
        let token = token.map(|path| {
            let text = std::fs::read_to_string(path).map_err(data::Error::io(path))?;
            match text.lines().next().map(str::trim).filter(|t| !t.is_empty()) {
                Some(token) => Ok(Sha256::digest(token).into()),
                None => Err(Error::Input(format!(
                    "{}: its first line is empty; write the token there",
                    path.display()
                ))),
            }
        });
        Ok(Limits {
            body,
            room: Arc::new(Semaphore::new(BODIES * body.div_ceil(UNIT))),
            patience,
            token: token.transpose()?,
        })
    }

    /// Reads a body. Its room is held until the permit is dropped.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Busy`] when there is no room for it, or
    /// [`Refusal::Invalid`] when it ends early.
    pub async fn body(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
        let too_large = || {
            Refusal::TooLarge(format!(
                "the body is larger than {} MiB; send fewer beats at a time",
                self.body >> 20
            ))
        };
        let said = headers.get(header::CONTENT_LENGTH);
        let said = said.and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        let said = said.or_else(|| {
            body.size_hint()
                .exact()
                .and_then(|s| usize::try_from(s).ok())
        });
        let room = said.unwrap_or(self.body);
        if room > self.body {
            return Err(too_large());
        }
        let units = u32::try_from(room.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.room).try_acquire_many_owned(units);
        let held = held.map_err(|_| Refusal::Busy)?;
        match Limited::new(body, self.body).collect().await {
            Ok(whole) => Ok((whole.to_bytes(), held)),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => Err(Refusal::Invalid(format!("the body ends early: {error}"))),
        }
    }

    /// Whether a request bears the token, or there is none. `query` may hold it, too.
    fn admits(&self, headers: &HeaderMap, query: Option<&str>) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        let pairs = query.into_iter().flat_map(|q| q.split('&'));
        let in_query = pairs.filter_map(|p| p.strip_prefix("token=")).next();
        let given = given.or(in_query.map(str::as_bytes));
        // A missing token is compared, too, and takes as long.
        let given: [u8; 32] = Sha256::digest(given.unwrap_or_default()).into();
        given.ct_eq(token).into()
    }
}

/// Guards, times, counts and logs every request. Of a recording neither the name nor
/// the content is told.
pub async fn guard(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let one = request.version() < Version::HTTP_2;
    let limits = &server.limits;
    let open = OPEN.contains(&route.as_str());
    let query = match route.as_str() {
        STREAM => request.uri().query().map(str::to_owned),
        _ => None,
    };
    let (request, rest) = linger::lend(request);
    let mut response = if !open && !limits.admits(request.headers(), query.as_deref()) {
        // The body goes with the request.
        drop(request);
        refused(&route, Refusal::Unauthorized)
    } else if route.starts_with("/v1/") {
        // A recording comes for as long as it is long; its reader has its own clock.
        next.run(request).await
    } else {
        let answered = tokio::time::timeout(limits.patience, next.run(request)).await;
        let late = |_| refused(&route, Refusal::TimedOut(limits.patience.as_secs()));
        answered.unwrap_or_else(late)
    };
    rest.discard();
    if one && server.is_stopping() {
        // So that the client does not send the next one into a closing connection.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    let (status, after) = (response.status(), started.elapsed());
    server.metrics.answered(&route, status.as_u16(), after);
    if let Some(Refused(reason)) = response.extensions().get() {
        server.metrics.refused(reason);
    }
    let (status, ms) = (status.as_u16(), after.as_secs_f64() * 1e3);
    match status {
        // A server that sheds load has no time to write about it.
        500.. if status != 503 => tracing::warn!(%method, route, status, ms, "request"),
        _ => tracing::debug!(%method, route, status, ms, "request"),
    }
    response
}

/// A refusal in the words of the route's protocol.
fn refused(route: &str, refusal: Refusal) -> Response {
    if route != grpc::ROUTE {
        return refusal.into_response();
    }
    let reason = Refused(refusal.reason());
    let mut response: Response = tonic::Status::from(refusal).into_http();
    response.extensions_mut().insert(reason);
    response
}
