//! Errors as `application/problem+json` (RFC 9457).

use std::time::Duration;

use abide_core::{Code, Error};
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::json::Text;

/// An error on its way to a caller over HTTP: a code, a status, a sentence, and what to do next.
///
/// Faults of the node never show what is inside: the sentence names an id under which the log has it.
#[derive(Debug)]
pub struct Problem {
    error: Error,
    status: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
}

/// How long to wait before a retry when nothing else is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How callers are to say who they are (RFC 6750), and what else if they tried.
const CHALLENGE: &str = r#"Bearer realm="abide""#;
const CHALLENGE_INVALID: &str = r#"Bearer realm="abide", error="invalid_token""#;

impl Problem {
    /// A request that cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Error::bad_request(detail.into()).into()
    }

    /// A path that leads nowhere.
    pub fn no_route(path: &str) -> Self {
        let shown: String = path.chars().take(200).collect();
        let detail = format!("there is nothing at {shown}; GET /openapi.json lists what there is");
        Error::new(Code::NotFound, detail).into()
    }

    /// A path that is there, asked with a method that it does not have.
    pub(crate) fn wrong_method(method: &str) -> Self {
        let shown: String = method.chars().take(20).collect();
        let detail =
            format!("this path does not answer {shown}; the Allow header says what it does; nothing was changed");
        Self::bad_request(detail).with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// The error it tells of.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The body.
    pub(crate) fn json(&self) -> Vec<u8> {
        let code = self.error.code();
        let (detail, id) = self.outward();
        let mut text = Text::object(256 + detail.len());
        text.text("type", &format!("urn:abide:error:{code}"))
            .text("title", title(code, self.status))
            .number("status", u64::from(self.status.as_u16()))
            .text("code", code.as_str())
            .text("detail", &detail)
            .boolean("retryable", self.error.retryable());
        if self.error.is_maybe_applied() || matches!(code, Code::Unavailable | Code::Deadline) {
            text.boolean("maybe_applied", self.error.is_maybe_applied());
        }
        if let Some(data) = self.error.data().filter(|_| code != Code::Internal) {
            text.value("data", data);
        }
        if let Some(id) = id {
            text.text("id", &id);
        }
        text.finish()
    }

    /// What callers may read: of a fault of the node, no more than where the log has it.
    fn outward(&self) -> (String, Option<String>) {
        if self.error.code() != Code::Internal {
            return (self.error.detail().into(), None);
        }
        if let Some(id) = logged(&self.error) {
            return (self.error.detail().into(), Some(id));
        }
        let id = ulid::Ulid::generate().to_string();
        let error = &self.error;
        tracing::error!(fault = %id, detail = error.detail(), data = ?error.data(), "a request failed inside the node");
        let changed = if error.is_maybe_applied() { "it may have taken effect" } else { "nothing was changed" };
        (format!("the node failed to answer; {changed}; its log has the cause under {id}"), Some(id))
    }
}

/// The id under which the node has logged this fault already, and told no more than that.
fn logged(error: &Error) -> Option<String> {
    match error.data()? {
        Value::Object(data) if data.len() == 1 => {
            let id = data.get("id")?.as_str()?;
            let known = id.len() == ulid::ULID_LEN && error.detail().ends_with(id);
            known.then(|| id.to_owned())
        }
        _ => None,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { status: status(error.code()), error, header: None }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self.error.code(), Code::Overloaded | Code::RateLimited | Code::Unavailable) {
            let wait = self.error.wait().unwrap_or(RETRY_AFTER);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.error.code() == Code::Unauthenticated {
            let missing = self.error.data().is_none_or(|data| data["token"] == "missing");
            let challenge = if missing { CHALLENGE } else { CHALLENGE_INVALID };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        response
    }
}

/// The status of a code.
pub(crate) const fn status(code: Code) -> StatusCode {
    match code {
        Code::BadRequest => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Denied => StatusCode::FORBIDDEN,
        Code::NotFound | Code::UnknownKind | Code::UnknownHandler => StatusCode::NOT_FOUND,
        Code::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Conflict | Code::Deadlock => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::Overloaded | Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Deadline => StatusCode::GATEWAY_TIMEOUT,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title(code: Code, status: StatusCode) -> &'static str {
    match (code, status) {
        (Code::BadRequest, StatusCode::METHOD_NOT_ALLOWED) => "This path does not have that method",
        (code, _) => meaning(code),
    }
}

/// What a code means, in one line.
pub(crate) const fn meaning(code: Code) -> &'static str {
    match code {
        Code::BadRequest => "The request cannot be understood",
        Code::Unauthenticated => "Nobody has said who is calling",
        Code::Denied => "The caller may not do this",
        Code::NotFound => "There is no such thing",
        Code::UnknownKind => "This node has no such kind",
        Code::UnknownHandler => "The kind has no such handler",
        Code::Rejected => "The handler refused",
        Code::Conflict => "The request contradicts what is stored",
        Code::TooLarge => "Something is larger than its limit",
        Code::UnsupportedMedia => "The body's media type cannot be read",
        Code::Overloaded => "Too much is waiting",
        Code::RateLimited => "The caller sends more than its share",
        Code::Deadlock => "The call waits for itself",
        Code::Unavailable => "The object cannot be reached now",
        Code::Deadline => "The time given is over",
        Code::Internal => "The node or a handler failed",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(problem: &Problem) -> Value {
        serde_json::from_slice(&problem.json()).unwrap()
    }

    #[test]
    fn every_code_has_a_status_of_its_class() {
        for code in Code::ALL {
            let status = status(code);
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            let body = body(&Error::new(code, "so").into());
            assert_eq!(
                (body["status"].as_u64(), body["code"].as_str()),
                (Some(status.as_u16().into()), Some(code.as_str()))
            );
            assert_eq!(body["type"], format!("urn:abide:error:{code}"));
        }
    }

    #[test]
    fn a_rejection_carries_its_data() {
        let body = body(&Error::rejected("too little").with_data(json!({"missing": 3})).into());
        assert_eq!(body["data"], json!({"missing": 3}));
        assert_eq!(body["detail"], "too little");
    }

    #[test]
    fn a_fault_of_the_node_shows_an_id_and_nothing_else() {
        let body = body(&Error::internal("disk at /secret").with_data(json!({"key": "hunter2"})).into());
        let text = body.to_string();
        assert!(!text.contains("secret") && !text.contains("hunter2"), "{text}");
        let id = body["id"].as_str().unwrap();
        assert!(body["detail"].as_str().unwrap().ends_with(id));
    }

    #[test]
    fn a_fault_that_is_logged_already_keeps_its_id() {
        let id = ulid::Ulid::generate().to_string();
        let error = Error::internal(format!("handler boom failed; the node's log has the cause under {id}"))
            .with_data(json!({ "id": id }));
        assert_eq!(body(&error.into())["id"], json!(id));
    }

    #[test]
    fn a_full_mailbox_says_when_to_come_back() {
        let error = Error::new(Code::Overloaded, "full").retry_after(Duration::from_millis(1500));
        let response = Problem::from(error).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
