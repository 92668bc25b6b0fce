//! The inspector: the page at `/inspector/`. Its source is in `inspector/` at the top of the repository; what
//! is built of it stands in `built/` and is part of the program.
//!
//! The files hold nothing of the node and are shown to everybody; what the page asks for is guarded like
//! every other request.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use crate::{Problem, shared::Shared};

/// Nothing but our own files: no script or style in the page itself, no frames, no other origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // Asked for each time, and sent only if it is another: see `tag`.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

const INDEX: &str = "index.html";

/// One built file.
struct File {
    name: &'static str,
    media: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal: $media:literal),* $(,)?) => {
        [$(File { name: $name, media: $media, bytes: include_bytes!(concat!("built/", $name)) }),*]
    };
}

/// All of them. A test holds this list to what is in the folder.
static FILES: [File; 6] = files! {
    "index.html": "text/html; charset=utf-8",
    "index.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "drawing.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
};

/// What tells a file of this program from the same file of another version.
static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| FILES.iter().map(|file| tag(file.bytes)).collect());

/// The page and what it needs.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/inspector", get(async || Redirect::permanent("/inspector/")))
        .route("/inspector/", get(async |headers: HeaderMap| answer(INDEX, &headers)))
        .route("/inspector/{file}", get(async |Path(name): Path<String>, headers: HeaderMap| answer(&name, &headers)))
}

fn answer(name: &str, headers: &HeaderMap) -> Response {
    let Some((file, tag)) = FILES.iter().zip(TAGS.iter()).find(|(file, _)| file.name == name) else {
        return Problem::no_route(&format!("/inspector/{name}")).into_response();
    };
    let tagged = [(header::ETAG, tag.clone())];
    if headers.get(header::IF_NONE_MATCH) == Some(tag) {
        return (StatusCode::NOT_MODIFIED, HEADERS, tagged).into_response();
    }
    let media = [(header::CONTENT_TYPE, HeaderValue::from_static(file.media))];
    (HEADERS, tagged, media, file.bytes).into_response()
}

/// Weak, since the same file is sent compressed and as it is.
fn tag(bytes: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let text = format!("W/\"{:016x}\"", hasher.finish());
    HeaderValue::from_str(&text).expect("BUG: sixteen digits are no header")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_built_file_is_served_and_no_other() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inspector/built");
        let built: BTreeSet<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let served: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(built, served);
    }

    #[test]
    fn the_page_holds_no_script_and_no_style_of_its_own() {
        let page = std::str::from_utf8(FILES[0].bytes).unwrap();
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onload="), "{page}");
        for script in page.split("<script").skip(1) {
            assert!(script.contains("src=\"/inspector/") && script.contains("></script>"), "{script}");
        }
    }

    #[test]
    fn the_page_alone_is_small() {
        let bytes = |name: &str| FILES.iter().find(|file| file.name == name).unwrap().bytes.len();
        // What is loaded at once; the graph and the charts come when they are looked at.
        assert!(bytes("app.js") + bytes("index.css") + bytes("index.html") < 160_000);
    }
}
