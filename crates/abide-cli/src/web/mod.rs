//! The page at `/`: what is running, and commands to try. Plain HTML, embedded.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// Nothing but our own files, no script in the page itself, no frames.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

/// The page and what it needs.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(|| file("text/html; charset=utf-8", include_str!("index.html"))))
        .route("/page/style.css", get(|| file("text/css; charset=utf-8", include_str!("style.css"))))
        .route("/page/page.js", get(|| file("text/javascript; charset=utf-8", include_str!("page.js"))))
        .route("/page/mark.svg", get(|| file("image/svg+xml", include_str!("mark.svg"))))
}

async fn file(media: &'static str, text: &'static str) -> Response {
    let media = (header::CONTENT_TYPE, HeaderValue::from_static(media));
    (HEADERS, [media], text).into_response()
}
