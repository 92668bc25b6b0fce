//! What hyper answers by itself when it cannot read a request: a status and nothing else. It gets a body.

use abide_core::{Code, Error};
use axum::http::StatusCode;

use crate::Problem;

/// How hyper says that there is no body.
const NO_BODY: &str = "content-length: 0\r\n";

/// What is written instead of an answer of hyper's own; `None` if this is none.
pub(super) fn explained(head: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(head).ok()?;
    let status = StatusCode::from_bytes(text.strip_prefix("HTTP/1.")?.get(2..5)?.as_bytes()).ok()?;
    let (before, after) = text.split_once(NO_BODY)?;
    if !after.ends_with("\r\n\r\n") {
        return None;
    }
    let body = problem(status)?.json();
    let length = body.len();
    let head = format!(
        "{before}content-type: application/problem+json\r\ncache-control: no-store\r\ncontent-length: \
         {length}\r\n{after}"
    );
    Some([head.into_bytes(), body].concat())
}

fn problem(status: StatusCode) -> Option<Problem> {
    let (code, detail) = match status {
        StatusCode::BAD_REQUEST => (
            Code::BadRequest,
            "the head of the request is not HTTP: a character is not allowed where it stands; in a URL, \
             percent-encode it (a space is %20, > is %3E), or let curl do it: curl -G --data-urlencode \
             'where=count>5' URL; nothing was changed",
        ),
        StatusCode::URI_TOO_LONG => (Code::TooLarge, "the URL is longer than 65534 bytes; nothing was changed"),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
            Code::TooLarge,
            "the head of the request is longer than its limit (64 KiB unless set otherwise), or has too many \
             headers (over 100); nothing was changed",
        ),
        _ => return None,
    };
    Some(Problem::from(Error::new(code, detail)).with_status(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_refusal_gets_a_body_and_keeps_its_headers() {
        for (status, code) in [("400 Bad Request", "bad_request"), ("431 Too Large", "too_large")] {
            let bare = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n");
            let written = String::from_utf8(explained(bare.as_bytes()).unwrap()).unwrap();
            let (head, body) = written.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\nconnection: close\r\n")), "{head}");
            assert!(head.ends_with("\r\ndate: now") && head.contains("application/problem+json"), "{head}");
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
            assert!(body.contains(&format!("\"code\":\"{code}\"")), "{body}");
        }
    }

    #[test]
    fn other_answers_stay_as_they_are() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK",
            "{\"HTTP/1.1 400\": \"content-length: 0\\r\\n\"}",
            "",
        ] {
            assert_eq!(explained(text.as_bytes()), None, "{text}");
        }
    }
}
