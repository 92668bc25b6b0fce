//! The lines that a child says to its parent, and the retries that the parent asks for.

use std::{fmt, str::FromStr};

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Appends its token and adds an amount.
    Add,
    /// Sets an alarm that appends its token.
    Remind,
    /// Sends messages to two other objects.
    Send,
}

/// A call about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Try {
    pub(super) what: What,
    pub(super) object: String,
    pub(super) token: u64,
    pub(super) keyed: bool,
}

/// One line of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The node runs.
    Ready,
    /// A call is being made.
    Try(Try),
    /// A call was answered.
    Ok { token: u64, answer: String },
    /// A call failed and changed nothing.
    No { token: u64 },
    /// A call failed and may have taken effect.
    Maybe { token: u64 },
    /// Nothing is under way any more.
    Settled,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Try(call) => write!(f, "try {call}"),
            Self::Ok { token, answer } => write!(f, "ok {token} {answer}"),
            Self::No { token } => write!(f, "no {token}"),
            Self::Maybe { token } => write!(f, "maybe {token}"),
            Self::Settled => f.write_str("settled"),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("{line:?} is not a line of the child");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let token = || rest.split(' ').next().and_then(|token| token.parse().ok()).ok_or_else(wrong);
        Ok(match word {
            "ready" => Self::Ready,
            "try" => Self::Try(rest.parse()?),
            "ok" => Self::Ok { token: token()?, answer: rest.split_once(' ').ok_or_else(wrong)?.1.to_owned() },
            "no" => Self::No { token: token()? },
            "maybe" => Self::Maybe { token: token()? },
            "settled" => Self::Settled,
            _ => return Err(wrong()),
        })
    }
}

impl fmt::Display for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, object, token, keyed } = self;
        write!(f, "{what:?} {object} {token} {keyed}")
    }
}

impl FromStr for Try {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let [what, object, token, keyed] = words[..] else {
            return Err(format!("{text:?} is not a call: a call has four words"));
        };
        let what = match what {
            "Add" => What::Add,
            "Remind" => What::Remind,
            "Send" => What::Send,
            _ => return Err(format!("{what:?} is not something a call does")),
        };
        let token = token.parse().map_err(|error| format!("{token:?} is not a token: {error}"))?;
        Ok(Self { what, object: object.to_owned(), token, keyed: keyed == "true" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let call = Try { what: What::Remind, object: "r1-3".into(), token: 7, keyed: true };
        let lines = [
            Line::Ready,
            Line::Try(call),
            Line::Ok { token: 7, answer: "null".into() },
            Line::No { token: 8 },
            Line::Maybe { token: 9 },
            Line::Settled,
        ];
        for line in lines {
            assert_eq!(line.to_string().parse(), Ok(line));
        }
    }

    #[test]
    fn a_torn_line_is_an_error() {
        assert!("tr".parse::<Line>().is_err());
        assert!("try Add r1-3".parse::<Line>().is_err());
        assert!("ok 7".parse::<Line>().is_err());
    }
}
