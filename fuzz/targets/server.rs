//! The routes of `infer serve` without a network between. They need ONNX Runtime,
//! which `ORT_DYLIB_PATH` names, and the shipped model, whose folder `ECTOPY_MODELS`
//! names.

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Method, Request};
use clap::Parser;
use infer::serve;
use tokio::runtime::Runtime;
use tower::ServiceExt;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    of_server: serve::arguments::Arguments,
}

/// The server, which is started once.
fn server() -> &'static (Runtime, Router) {
    static SERVER: OnceLock<(Runtime, Router)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let model = models::shipped::find(std::path::Path::new("resnet.onnx"));
        let arguments = [
            "fuzz".into(),
            "--threads=1".into(),
            "--models".into(),
            model.into_os_string(),
        ];
        let arguments = Arguments::parse_from(arguments).of_server;
        let within = runtime.enter();
        let routes = serve::routes(&arguments).expect("the server starts");
        drop(within);
        (runtime, routes)
    })
}

/// A request to this path.
pub fn post(path: &str) -> Builder {
    Request::builder().method(Method::POST).uri(path)
}

/// Sends a request. Whatever is in it, the server must not be at fault.
pub fn ask(request: Builder, body: &[u8]) {
    let (runtime, routes) = server();
    let Ok(request) = request.body(Body::from(body.to_vec())) else {
        return;
    };
    runtime.block_on(async {
        let answer = routes.clone().oneshot(request).await.expect("an answer");
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
        let words = String::from_utf8_lossy(&body.expect("a whole answer")).into_owned();
        assert!(!status.is_server_error(), "{status}: {words}");
    });
}
