use std::{fmt, io};

use serde_json::{Value, json};

/// Why a command did not succeed: what happened, what to do, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: u8,
    code: String,
    message: String,
    hint: Option<String>,
    problem: Option<Box<Value>>,
}

/// What a command answers with.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// The request, or what the command does by itself, failed: exit code 1.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { exit: 1, code: code.into(), message: message.into(), hint: None, problem: None }
    }

    /// The command was not written right: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: 2, ..Self::new("bad_usage", message) }
    }

    /// What a node answered instead of a result: an `application/problem+json` body.
    pub(crate) fn problem(problem: Value) -> Self {
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let (code, detail) = (text("code"), text("detail"));
        let hint = match code.as_str() {
            "unknown_kind" => Some("`abide kinds` lists the kinds of the node"),
            "unknown_handler" => Some("`abide kinds KIND` shows its handlers and their arguments"),
            "not_found" => Some("`abide ls KIND` lists the objects that are there"),
            "overloaded" | "rate_limited" => Some("try again a little later"),
            _ => None,
        };
        let message = if detail.is_empty() { problem.to_string() } else { detail };
        let failure = Self { problem: Some(Box::new(problem)), ..Self::new(&code, message) };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// Whoever read the output has stopped reading: no reason to complain.
    fn unread() -> Self {
        Self { exit: 0, ..Self::new("unread", "") }
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code of the process.
    pub(crate) fn exit(&self) -> u8 {
        self.exit
    }

    /// Whether there is something to say.
    pub(crate) fn is_silent(&self) -> bool {
        self.exit == 0
    }

    /// The code for programs, as in `docs/errors/`.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Whether a node asks who is calling, and was shown no token.
    pub(crate) fn lacks_token(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem["data"]["token"] == "missing")
    }

    /// What to do about it, if anything is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The form that `--json` prints.
    pub(crate) fn json(&self) -> Value {
        let mut error = match &self.problem {
            Some(problem) => (**problem).clone(),
            None => json!({"code": self.code, "detail": self.message}),
        };
        if let Some(hint) = &self.hint {
            error["hint"] = json!(hint);
        }
        json!({ "error": error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<abide::Error> for Failure {
    fn from(error: abide::Error) -> Self {
        let mut problem = json!({"code": error.code(), "detail": error.detail(), "retryable": error.retryable()});
        if let Some(data) = error.data() {
            problem["data"] = data.clone();
        }
        Self::problem(problem)
    }
}

impl From<abide::StoreError> for Failure {
    fn from(error: abide::StoreError) -> Self {
        Self::from(abide::Error::from(error))
    }
}

impl From<abide::store::OpenError> for Failure {
    fn from(error: abide::store::OpenError) -> Self {
        Self::new("store", error.to_string())
    }
}

impl From<abide::store::BackupError> for Failure {
    fn from(error: abide::store::BackupError) -> Self {
        Self::new("store", error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::unread(),
            _ => Self::new("io", error.to_string()),
        }
    }
}
