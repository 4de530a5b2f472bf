//! How a refusal is told over HTTP and over gRPC.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::tensor::{RETRY_AFTER, Refusal};

/// Why a request got no answer.
#[derive(Serialize, ToSchema)]
pub struct Error {
    /// What is wrong, and what would be right.
    pub error: String,
}

impl Refusal {
    /// The status of HTTP.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::NotFound(_) => StatusCode::NOT_FOUND,
            Refusal::Invalid(_) => StatusCode::BAD_REQUEST,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Refusal::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::NotYet => StatusCode::CONFLICT,
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
            Refusal::Busy | Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::TimedOut(_) => StatusCode::REQUEST_TIMEOUT,
            Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One word for what is counted.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::NotFound(_) => "not_found",
            Refusal::Invalid(_) => "invalid",
            Refusal::TooLarge(_) => "too_large",
            Refusal::Unsupported(_) | Refusal::NotAcceptable(_) => "media_type",
            Refusal::NoSuchMethod => "method",
            Refusal::NotYet => "not_yet",
            Refusal::Unauthorized => "unauthorized",
            Refusal::Busy => "busy",
            Refusal::Stopping => "stopping",
            Refusal::TimedOut(_) => "timed_out",
            Refusal::Failed(_) => "failed",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let words = Json(Error {
            error: self.to_string(),
        });
        let mut response = (self.status(), words).into_response();
        let headers = response.headers_mut();
        match self {
            Refusal::Busy | Refusal::Stopping => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
            }
            Refusal::Unauthorized => {
                let scheme = HeaderValue::from_static("Bearer");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            _ => {}
        }
        response.extensions_mut().insert(Refused(self.reason()));
        response
    }
}

/// Why a response is a refusal, for who counts them.
#[derive(Clone, Copy)]
pub struct Refused(pub &'static str);

impl From<Refusal> for tonic::Status {
    fn from(refusal: Refusal) -> tonic::Status {
        use tonic::Code;
        let code = match refusal {
            Refusal::NotFound(_) => Code::NotFound,
            Refusal::NoSuchMethod => Code::Unimplemented,
            Refusal::Invalid(_) | Refusal::Unsupported(_) | Refusal::NotAcceptable(_) => {
                Code::InvalidArgument
            }
            Refusal::TooLarge(_) | Refusal::Busy => Code::ResourceExhausted,
            Refusal::Unauthorized => Code::Unauthenticated,
            Refusal::Stopping | Refusal::NotYet => Code::Unavailable,
            Refusal::TimedOut(_) => Code::DeadlineExceeded,
            Refusal::Failed(_) => Code::Internal,
        };
        tonic::Status::new(code, refusal.to_string())
    }
}
