//! The page, as `examples/web` builds it.

/// A file of the page: its name, its media type, what is in it.
pub type File = (&'static str, &'static str, &'static str);

/// The page and what it needs, to be served in one folder.
pub const PAGE: [File; 3] = [
    ("", "text/html; charset=utf-8", include_str!("../web/dist/index.html")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("../web/dist/app.js")),
    ("app.css", "text/css; charset=utf-8", include_str!("../web/dist/app.css")),
];
