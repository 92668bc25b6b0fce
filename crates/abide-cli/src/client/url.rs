use std::fmt::Write;

use hyper::Uri;

use crate::failure::{Failure, Outcome};

/// Where a node answers: the base of every address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    host: String,
    port: u16,
    prefix: String,
    secure: bool,
}

impl BaseUrl {
    /// Reads `http://HOST[:PORT][/PREFIX]`, or the same with `https`; the scheme may be left out.
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let wrong = |why: &str| Failure::usage(format!("{text:?} is not the address of a node: {why}"));
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| wrong("write for example http://127.0.0.1:7070"))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => return Err(wrong("it begins with http:// or https://")),
        }
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it has no host"))?;
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { host: host.into(), port, prefix, secure })
    }

    /// Whether to speak TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Host and port, to connect to.
    pub(crate) fn target(&self) -> (&str, u16) {
        (self.host.trim_matches(['[', ']']), self.port)
    }

    /// The `Host` header.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path of a request.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

/// `/v1/objects/KIND/ID…` with every segment encoded.
pub(crate) fn object_path(segments: &[&str]) -> String {
    segments.iter().fold("/v1/objects".to_owned(), |path, segment| path + "/" + &encode(segment))
}

/// `?name=value&…` of those that are given.
pub(crate) fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if let Some(value) = value {
            let separator = if text.is_empty() { '?' } else { '&' };
            let _ = write!(text, "{separator}{name}={}", encode(value));
        }
    }
    text
}

/// Percent-encodes all but letters, digits, `-`, `.`, `_` and `~`.
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_what_is_usual() {
        for (text, authority, path) in [
            ("http://127.0.0.1:7070", "127.0.0.1:7070", "/x"),
            ("http://127.0.0.1:7070/", "127.0.0.1:7070", "/x"),
            ("localhost:7070", "localhost:7070", "/x"),
            ("http://abide.test/node/1/", "abide.test:80", "/node/1/x"),
            ("http://[::1]:7070", "[::1]:7070", "/x"),
            ("https://abide.test", "abide.test:443", "/x"),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!((base.authority().as_str(), base.path("/x").as_str()), (authority, path), "{text}");
        }
        assert_eq!(BaseUrl::parse("http://[::1]:7070").unwrap().target(), ("::1", 7070));
    }

    #[test]
    fn an_address_that_cannot_be_used_is_bad_usage() {
        for text in ["ftp://x", "http://", "", "http://a b"] {
            assert_eq!(BaseUrl::parse(text).unwrap_err().exit(), 2, "{text:?}");
        }
    }

    #[test]
    fn any_id_is_one_segment_of_a_path() {
        assert_eq!(object_path(&["Counter", "a/b ?#ü"]), "/v1/objects/Counter/a%2Fb%20%3F%23%C3%BC");
        assert_eq!(query(&[("after", None), ("where", Some("a>1 & b".into()))]), "?where=a%3E1%20%26%20b");
    }
}
