//! Connections: accepted, told apart, given up when they say nothing, and ended when
//! the server ends.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::metrics::Metrics;
use crate::error::{Error, Result};

/// What a client of HTTP/2 without TLS sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection may take to say what it wants, and may be idle.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the beginning of a preface may wait for the rest before it is looked at
/// again.
const LOOK: Duration = Duration::from_millis(10);

/// How long a full table of files is left alone.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a server that ends takes what was on its way to it: a request that a
/// client had sent before lies unread for a moment, and closing would lose it.
const LAST: Duration = Duration::from_millis(250);

/// Requests of one HTTP/2 connection at a time.
const STREAMS: u32 = 256;

/// What a listener needs for TLS.
///
/// # Errors
/// A file cannot be read or holds no certificate or key, or they do not belong
/// together.
pub fn tls(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let unreadable = |path: &Path, error: String| {
        Error::Input(format!(
            "{}: {error}; wanted is PEM text, as made by openssl",
            path.display()
        ))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|chain| chain.collect::<Result<Vec<_>, _>>())
        .map_err(|e| unreadable(certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable(certificate, "there is no certificate".into()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, e.to_string()))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, secret)
        })
        .map_err(|e| unreadable(certificate, e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// How connections are served.
pub struct Connections {
    /// What answers requests.
    pub router: Router,
    /// What encrypts, if anything does.
    pub tls: Option<TlsAcceptor>,
    /// Connections at a time.
    pub most: usize,
    /// How long running requests have when the server ends.
    pub grace: Duration,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Connections {
    /// Serves what `listener` accepts until `stop` is true, and then what has been
    /// begun; whether all of it ended in time.
    pub async fn serve(self, listener: TcpListener, stop: watch::Receiver<bool>) -> bool {
        let mut ending = stop.clone();
        let room = Arc::new(Semaphore::new(self.most));
        let mut over = pin!(asked(&mut ending));
        loop {
            let next = async {
                // The room is never closed.
                let permit = Arc::clone(&room).acquire_owned().await.ok();
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                next = next => next,
                () = over.as_mut() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let (router, tls, metrics) = (
                self.router.clone(),
                self.tls.clone(),
                Arc::clone(&self.metrics),
            );
            let stop = stop.clone();
            metrics.connection(1);
            tokio::spawn(async move {
                if let Err(error) = connection(stream, tls, router, stop).await {
                    tracing::debug!(%error, "a connection ended");
                }
                metrics.connection(-1);
                drop(permit);
            });
        }
        drop(listener);
        // All have ended when all room is free.
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        tokio::time::timeout(self.grace, room.acquire_many(all))
            .await
            .is_ok()
    }
}

/// Waits until the server has been asked to end, and [`LAST`] has passed.
async fn asked(stop: &mut watch::Receiver<bool>) {
    // Who would ask is gone only when all ends.
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(LAST).await;
}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> Outcome {
    // Answers are whole when they are written; waiting to fill a packet only delays.
    stream.set_nodelay(true)?;
    match tls {
        None => match begun(is_http2(&stream), &mut stop).await? {
            Some(two) => speak(stream, two, router, stop).await,
            None => Ok(()),
        },
        Some(tls) => match begun(tls.accept(stream), &mut stop).await? {
            Some(stream) => {
                let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                speak(stream, two, router, stop).await
            }
            None => Ok(()),
        },
    }
}

/// What a client begins with, within [`PATIENCE`]; `None` when the server ends first.
async fn begun<T>(
    first: impl Future<Output = std::io::Result<T>>,
    stop: &mut watch::Receiver<bool>,
) -> std::io::Result<Option<T>> {
    tokio::select! {
        first = tokio::time::timeout(PATIENCE, first) => first?.map(Some),
        () = asked(stop) => Ok(None),
    }
}

/// Whether a client begins as one of HTTP/2 does, by what it has sent so far.
async fn is_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut begin = [0; PREFACE.len()];
    loop {
        let there = stream.peek(&mut begin).await?;
        if there == 0 || begin[..there] != PREFACE[..there] {
            return Ok(false);
        }
        if there == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn speak<S>(stream: S, two: bool, router: Router, mut stop: watch::Receiver<bool>) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let service = TowerToHyperService::new(router.into_service::<Incoming>());
    // A server that ends lets each connection finish what it has begun.
    macro_rules! until_stopped {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            tokio::select! {
                outcome = connection.as_mut() => outcome?,
                () = asked(&mut stop) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await?;
                }
            }
        }};
    }
    match two {
        true => until_stopped!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .keep_alive_interval(PATIENCE)
                .keep_alive_timeout(PATIENCE)
                .serve_connection(stream, service)
        ),
        false => until_stopped!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(stream, service)
                .with_upgrades()
        ),
    }
    Ok(())
}
