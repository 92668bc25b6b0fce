//! Patterns of names: `*` is any run of characters, `{sub}` the caller's own name. Nothing else is special,
//! nothing is normalised: names are compared byte by byte.

use std::borrow::Cow;

use crate::Caller;

/// A pattern of ids, kinds, handlers or namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// This text.
    Text(String),
    /// Any run of characters, also none.
    Any,
    /// What is known of the caller.
    Slot(Slot),
}

/// What of the caller stands in a pattern. It stands for itself alone, whatever characters it has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Slot {
    Subject,
    Namespace,
    Claim(String),
}

/// Whether names match: all of those asked for, none, or some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    All,
    Some,
    None,
}

/// Why a pattern cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPattern {
    #[error("a pattern is not empty")]
    Empty,
    #[error("`{0}` is not special here and only * is: write \\{0} for the character itself")]
    Special(char),
    #[error("{{{0}}} is not known: there are {{sub}}, {{namespace}} and {{claims.NAME}}")]
    Slot(String),
    #[error("a {{ is not closed; write \\{{ for the character itself")]
    Open,
    #[error("a \\ ends the pattern; write \\\\ for the character itself")]
    Escape,
    #[error(
        "{{…}} and * stand side by side: nothing would tell one caller's names from another's; put a / between them"
    )]
    Adjoining,
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let literal = match c {
                '*' => {
                    if pieces.last() != Some(&Piece::Any) {
                        pieces.push(Piece::Any);
                    }
                    continue;
                }
                '{' => {
                    let (name, rest) = chars.as_str().split_once('}').ok_or(InvalidPattern::Open)?;
                    pieces.push(Piece::Slot(Slot::parse(name)?));
                    chars = rest.chars();
                    continue;
                }
                '\\' => chars.next().ok_or(InvalidPattern::Escape)?,
                '?' | '[' | ']' | '}' => return Err(InvalidPattern::Special(c)),
                other => other,
            };
            match pieces.last_mut() {
                Some(Piece::Text(text)) => text.push(literal),
                _ => pieces.push(Piece::Text(literal.into())),
            }
        }
        if pieces.is_empty() {
            return Err(InvalidPattern::Empty);
        }
        let open = |pair: &[Piece]| !pair.iter().any(|piece| matches!(piece, Piece::Text(_)));
        if pieces.windows(2).any(open) {
            return Err(InvalidPattern::Adjoining);
        }
        Ok(Self { pieces })
    }

    /// Whether it is `*`.
    pub(crate) fn is_anything(&self) -> bool {
        self.pieces == [Piece::Any]
    }

    /// Whether `name` matches for this caller.
    pub(crate) fn matches(&self, name: &str, caller: &Caller) -> bool {
        self.is_anything() || self.texts(caller).is_some_and(|texts| matches(&texts, name))
    }

    /// Whether names that begin with `prefix` match for this caller.
    pub(crate) fn matches_all(&self, prefix: &str, caller: &Caller) -> Match {
        let Some(texts) = self.texts(caller) else { return Match::None };
        let (first, more) = (texts[0].as_ref(), texts.len() > 1);
        if texts.len() == 2 && texts[1].is_empty() && prefix.starts_with(first) {
            Match::All
        } else if first.starts_with(prefix) || (more && prefix.starts_with(first)) {
            Match::Some
        } else {
            Match::None
        }
    }

    /// The texts between the `*`, as they are for this caller; `None` if something is not known of it, or
    /// could be mistaken for what is another's.
    fn texts(&self, caller: &Caller) -> Option<Vec<Cow<'_, str>>> {
        let mut texts = vec![Cow::Borrowed("")];
        for (at, piece) in self.pieces.iter().enumerate() {
            match (piece, texts.last_mut()?) {
                (Piece::Any, _) => texts.push(Cow::Borrowed("")),
                (Piece::Text(text), last) if last.is_empty() => *last = Cow::Borrowed(text),
                (Piece::Text(text), last) => last.to_mut().push_str(text),
                (Piece::Slot(slot), last) => last.to_mut().push_str(self.unmistakable(at, slot.of(caller)?)?),
            }
        }
        Some(texts)
    }

    /// In `{sub}/*`, what `a` owns must not hold what `a/b` owns: a value that has the character that ends
    /// it in the pattern stands for nothing.
    fn unmistakable<'v>(&self, at: usize, value: &'v str) -> Option<&'v str> {
        let text = |at: Option<usize>| match self.pieces.get(at?) {
            Some(Piece::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let before = text(at.checked_sub(1)).and_then(|text| text.chars().next_back()).filter(|_| self.is_open(..at));
        let after = text(Some(at + 1)).and_then(|text| text.chars().next()).filter(|_| self.is_open(at + 1..));
        let mistakable = [before, after].into_iter().flatten().any(|end| value.contains(end));
        (!mistakable && !value.is_empty()).then_some(value)
    }

    fn is_open(&self, range: impl std::slice::SliceIndex<[Piece], Output = [Piece]>) -> bool {
        self.pieces[range].iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }
}

impl Slot {
    fn parse(name: &str) -> Result<Self, InvalidPattern> {
        match (name, name.strip_prefix("claims.")) {
            ("sub", _) => Ok(Self::Subject),
            ("namespace", _) => Ok(Self::Namespace),
            (_, Some(claim)) if !claim.is_empty() => Ok(Self::Claim(claim.into())),
            _ => Err(InvalidPattern::Slot(name.into())),
        }
    }

    fn of<'c>(&self, caller: &'c Caller) -> Option<&'c str> {
        match self {
            Self::Subject => caller.name(),
            Self::Namespace => Some(caller.namespace().as_str()),
            Self::Claim(name) => caller.claim(name)?.as_str(),
        }
    }
}

/// Whether `name` is these texts with anything between them.
fn matches(texts: &[Cow<'_, str>], name: &str) -> bool {
    let [first, middle @ .., last] = texts else {
        return texts.first().is_some_and(|only| only == name);
    };
    let inner = name.strip_prefix(first.as_ref()).and_then(|rest| rest.strip_suffix(last.as_ref()));
    let Some(mut rest) = inner else { return false };
    middle.iter().all(|text| match rest.find(text.as_ref()) {
        Some(at) => {
            rest = &rest[at + text.len()..];
            true
        }
        None => false,
    })
}
