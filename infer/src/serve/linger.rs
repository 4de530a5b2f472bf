//! Bodies that a refusal has left unread.
//!
//! A connection of HTTP/1.1 that is closed while its client still sends is reset, and
//! a client's system then drops the answer that it has not read yet (RFC 9112,
//! section 9.6): who was told to come back later would see a broken connection. So
//! what is left of a body is read and thrown away while the answer is on its way.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{Version, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// How long the rest of a body is read.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes of it.
const MOST: usize = 64 << 20;

/// A body that comes back when it is dropped before its end.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

/// The way on which it comes back.
pub struct Rest(Option<oneshot::Receiver<Body>>);

/// Lends the body of a request.
pub fn lend(request: Request) -> (Request, Rest) {
    // Another stream of HTTP/2 does not suffer, and who asks before sending need
    // not send.
    let closes = request.version() < Version::HTTP_2;
    let asks = request.headers().contains_key(header::EXPECT);
    if !closes || asks || request.body().is_end_stream() {
        return (request, Rest(None));
    }
    let (back, rest) = oneshot::channel();
    let lend = |body| {
        Body::new(Lent {
            body,
            back: Some(back),
        })
    };
    (request.map(lend), Rest(Some(rest)))
}

impl Rest {
    /// Reads what is left, beside everything else.
    pub fn discard(self) {
        let Some(body) = self.0.and_then(|mut rest| rest.try_recv().ok()) else {
            return;
        };
        tokio::spawn(tokio::time::timeout(PATIENCE, read(body)));
    }
}

async fn read(mut body: Body) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > MOST {
            return;
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.body.is_end_stream()
            && let Some(back) = self.back.take()
        {
            // Nobody waits for it once the answer has gone.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}
