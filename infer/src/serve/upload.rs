//! The way of a recording from a client to the disk.

use std::path::Path;
use std::time::Duration;

use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;

use super::spool::kept_name;
use super::tensor::Refusal;

/// Files of one recording.
const FILES: usize = 64;

/// What a recording may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Bytes of all its files.
    pub largest: u64,
    /// How long nothing may come.
    pub patience: Duration,
}

/// Writes what is sent into a folder.
pub async fn receive(
    limits: Limits,
    request: Request,
    name: Option<&str>,
    folder: &Path,
) -> Result<(), Refusal> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut left = limits.largest;
    if !kind.starts_with("multipart/form-data") {
        let path = folder.join(kept_name(name.unwrap_or_default()));
        let stream = request.into_body().into_data_stream();
        write(limits, &path, stream, &mut left).await?;
        return match left == limits.largest {
            true => Err(Refusal::Invalid(
                "the body is empty; send a recording".into(),
            )),
            false => Ok(()),
        };
    }
    let invalid = |e: &dyn std::fmt::Display| Refusal::Invalid(format!("the form: {e}"));
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|e| invalid(&e))?;
    let mut files = 0;
    loop {
        let next = tokio::time::timeout(limits.patience, form.next_field()).await;
        let next = next.map_err(|_| Refusal::TimedOut(limits.patience.as_secs()))?;
        let Some(field) = next.map_err(|e| invalid(&e))? else {
            break;
        };
        let Some(name) = field.file_name().map(kept_name) else {
            continue;
        };
        files += 1;
        if files > FILES {
            return Err(Refusal::Invalid(format!("more than {FILES} files")));
        }
        write(limits, &folder.join(name), field, &mut left).await?;
    }
    match files {
        0 => Err(Refusal::Invalid("there is no file in the form".into())),
        _ => Ok(()),
    }
}

/// Writes a stream to a file, as long as something comes.
async fn write<E: std::fmt::Display>(
    limits: Limits,
    path: &Path,
    stream: impl Stream<Item = Result<Bytes, E>>,
    left: &mut u64,
) -> Result<(), Refusal> {
    let io = |e: std::io::Error| Refusal::Failed(format!("the recording cannot be kept: {e}"));
    let mut file = tokio::fs::File::create(path).await.map_err(io)?;
    let mut stream = std::pin::pin!(stream);
    loop {
        let next = tokio::time::timeout(limits.patience, stream.next()).await;
        let next = next.map_err(|_| Refusal::TimedOut(limits.patience.as_secs()))?;
        let Some(bytes) = next else {
            break;
        };
        let bytes =
            bytes.map_err(|e| Refusal::Invalid(format!("the recording ends early: {e}")))?;
        *left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
            Refusal::TooLarge(format!(
                "the recording is larger than {} MiB",
                limits.largest >> 20
            ))
        })?;
        file.write_all(&bytes).await.map_err(io)?;
    }
    file.flush().await.map_err(io)
}
