//! The page at `/`, and the description of the API for people: plain files, with
//! nothing from anywhere else.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Server;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the page: where it lies, what it is, and its text.
macro_rules! files {
    ($($path:literal $kind:ident $file:literal,)*) => {
        [$(($path, $kind, include_str!(concat!("page/", $file)))),*]
    };
}

const FILES: [(&str, &str, &str); 16] = files! {
    "/" HTML "index.html",
    "/page.css" CSS "page.css",
    "/page.js" SCRIPT "page.js",
    "/api.js" SCRIPT "api.js",
    "/beats.js" SCRIPT "beats.js",
    "/list.js" SCRIPT "list.js",
    "/live.js" SCRIPT "live.js",
    "/paper.js" SCRIPT "paper.js",
    "/strip.js" SCRIPT "strip.js",
    "/sweep.js" SCRIPT "sweep.js",
    "/table.js" SCRIPT "table.js",
    "/upload.js" SCRIPT "upload.js",
    "/words.js" SCRIPT "words.js",
    "/docs" HTML "docs.html",
    "/docs.css" CSS "docs.css",
    "/docs.js" SCRIPT "docs.js",
};

/// The routes of the files.
pub fn routes() -> Router<Arc<Server>> {
    let policy = policy();
    FILES
        .into_iter()
        .fold(Router::new(), |router, (path, kind, text)| {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
                (header::CACHE_CONTROL, "no-cache"),
            ];
            let policy = [(header::CONTENT_SECURITY_POLICY, policy.clone())];
            router.route(path, get(move || async move { (headers, policy, text) }))
        })
}

/// What the page may load: itself, the server's answers, and the report, which runs
/// under the page's policy and is let run its own script and no other.
fn policy() -> String {
    let script = STANDARD.encode(Sha256::digest(report::SCRIPT));
    format!(
        "default-src 'self'; script-src 'self' 'sha256-{script}'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-src 'self' blob:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Whether a route is one of the files, which tell nothing of anybody.
pub fn has(route: &str) -> bool {
    FILES.iter().any(|(path, ..)| *path == route)
}
