//! The one error that crosses Abide's borders.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What kind of failure it was. Each has a page in `docs/errors/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request itself is wrong; nothing changed; the same request will fail again.
    BadRequest,
    /// Nobody has said who is calling.
    Unauthenticated,
    /// The caller may not do this.
    Denied,
    /// No such object.
    NotFound,
    /// No such kind on this node.
    UnknownKind,
    /// The kind has no such handler.
    UnknownHandler,
    /// The handler's own error: the turn was rolled back.
    Rejected,
    /// The request contradicts what is stored; nothing changed.
    Conflict,
    /// Something sent is larger than its limit; nothing changed.
    TooLarge,
    /// The body's media type cannot be read; nothing changed.
    UnsupportedMedia,
    /// Too much is waiting; nothing changed; try again a little later.
    Overloaded,
    /// The caller sends more than its share; nothing changed; try again a little later.
    RateLimited,
    /// The call waits, through others, for itself; nothing changed.
    Deadlock,
    /// The store or the owner could not be reached. `maybe_applied` says whether the effect may be there.
    Unavailable,
    /// The time given for the call is over. `maybe_applied` says whether the effect may be there.
    Deadline,
    /// A fault of the node or of a handler (a panic): the turn was rolled back.
    Internal,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 16] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Denied,
        Self::NotFound,
        Self::UnknownKind,
        Self::UnknownHandler,
        Self::Rejected,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::Overloaded,
        Self::RateLimited,
        Self::Deadlock,
        Self::Unavailable,
        Self::Deadline,
        Self::Internal,
    ];

    /// The code on the wire, for example `bad_request`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::UnknownKind => "unknown_kind",
            Self::UnknownHandler => "unknown_handler",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::Deadlock => "deadlock",
            Self::Unavailable => "unavailable",
            Self::Deadline => "deadline",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request may well succeed later.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Overloaded | Self::RateLimited | Self::Unavailable | Self::Deadline)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call failed: a code for programs, a sentence for people, and whether anything may have changed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Error(Box<Parts>);

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(default)]
    maybe_applied: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<Duration>,
}

/// The result of whatever can fail with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A call succeeded, and its answer is not of the type that the caller asked for: what the call changed
    /// stays changed.
    pub fn misread(error: &serde_json::Error) -> Self {
        let detail = format!(
            "the call succeeded, but its answer is not of the type asked for: {error}; what it changed stays changed: \
             do not repeat it, and ask for the type that the handler returns"
        );
        Self::bad_request(detail).maybe_applied(true)
    }

    /// An error of `code` with a sentence that says what happened and what to do.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts { code, detail: detail.into(), data: None, maybe_applied: false, retry_after: None }))
    }

    /// The handler's own refusal: rolls the turn back and reaches the caller with this sentence.
    pub fn rejected(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Rejected, detail)
    }

    /// A request that cannot be understood.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    /// The store or owner cannot be reached; nothing changed.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, detail)
    }

    /// A fault of the node or of a handler.
    pub fn internal(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Internal, detail)
    }

    /// Adds data for the caller's program.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.0.data = Some(data);
        self
    }

    /// Says that the effect may be there all the same.
    #[must_use]
    pub fn maybe_applied(mut self, maybe: bool) -> Self {
        self.0.maybe_applied = maybe;
        self
    }

    /// Says after what time a retry makes sense.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// What kind of failure it was.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The data the handler's error carried.
    pub fn data(&self) -> Option<&Value> {
        self.0.data.as_ref()
    }

    /// The handler's own error, if that is what this is and it has the shape of `E`.
    pub fn rejection<E: DeserializeOwned>(&self) -> Option<E> {
        if self.0.code != Code::Rejected {
            return None;
        }
        E::deserialize(self.0.data.as_ref()?).ok()
    }

    /// Whether the effect may have been applied although the call failed.
    pub fn is_maybe_applied(&self) -> bool {
        self.0.maybe_applied
    }

    /// Whether the same request may well succeed later.
    pub fn retryable(&self) -> bool {
        self.0.code.retryable()
    }

    /// How long to wait before a retry, where known.
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

/// A sentence, too: it is what a program prints whose `main` returns the error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if self.is_maybe_applied() {
            write!(f, " (it may have taken effect)")?;
        }
        match self.data() {
            Some(data) => write!(f, " (data: {data})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<crate::key::InvalidName> for Error {
    fn from(error: crate::key::InvalidName) -> Self {
        Self::bad_request(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_serializes_as_it_prints() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn a_main_that_returns_it_prints_a_sentence() {
        let error = Error::unavailable("the store is open in another process");
        assert_eq!(format!("{error:?}"), "unavailable: the store is open in another process");
        let error = Error::rejected("not enough").with_data(serde_json::json!({"missing": 3})).maybe_applied(true);
        assert_eq!(format!("{error:?}"), r#"rejected: not enough (it may have taken effect) (data: {"missing":3})"#);
    }

    #[test]
    fn a_rejection_gives_its_data_back() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Short {
            missing: u32,
        }
        let error = Error::rejected("not enough").with_data(serde_json::json!({"missing": 3}));
        assert_eq!(error.rejection::<Short>(), Some(Short { missing: 3 }));
        assert_eq!(Error::internal("x").with_data(serde_json::json!({"missing": 3})).rejection::<Short>(), None);
    }
}
