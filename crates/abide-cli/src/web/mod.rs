//! The page at `/`: what is running, and commands to try. Plain HTML, embedded. And the pages of the examples.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
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

/// A file of a page: its name, its media type, what is in it.
type File = (&'static str, &'static str, &'static str);

/// The pages of the examples, each in a folder of its own.
const PAGES: [(&str, &[File]); 3] =
    [("/chat", &chat_example::PAGE), ("/tic-tac-toe", &tic_tac_toe_example::PAGE), ("/arena", &arena_example::PAGE)];

/// The page, what it needs, and the pages of the examples.
pub(crate) fn routes() -> Router {
    PAGES.iter().fold(landing(), |router, (folder, files)| {
        let redirect = move || async move { Redirect::permanent(&format!("{folder}/")) };
        files.iter().fold(router.route(folder, get(redirect)), |router, (name, media, text)| {
            router.route(&format!("{folder}/{name}"), get(move || file(media, text)))
        })
    })
}

fn landing() -> Router {
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
