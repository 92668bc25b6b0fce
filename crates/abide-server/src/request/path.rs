//! Paths that name objects.

use std::borrow::Cow;

use abide_core::{Error, Result};

use super::percent::{Plus, decode};

/// What all paths of objects begin with.
pub(crate) const OBJECTS: &str = "/v1/objects/";

/// A path under `/v1/objects/`, split and decoded once: an id may have any character, also `/` as `%2F`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPath<'p> {
    pub(crate) kind: Cow<'p, str>,
    pub(crate) id: Option<Cow<'p, str>>,
    /// A handler, or `changes` or `alarms`.
    pub(crate) last: Option<Cow<'p, str>>,
}

impl<'p> ObjectPath<'p> {
    /// Reads a whole path.
    pub(crate) fn parse(path: &'p str) -> Result<Self> {
        let rest = path.strip_prefix(OBJECTS).ok_or_else(|| Error::bad_request("the path does not name an object"))?;
        let mut segments = rest.split('/');
        let kind = part("kind", segments.next().unwrap_or_default())?;
        let id = segments.next().map(|text| part("id", text)).transpose()?;
        let last = segments.next().map(|text| part("handler", text)).transpose()?;
        if segments.next().is_some() {
            let detail = "the path has too many parts: write a / that belongs to an id as %2F; nothing was changed";
            return Err(Error::bad_request(detail));
        }
        Ok(Self { kind, id, last })
    }
}

fn part<'p>(what: &'static str, text: &'p str) -> Result<Cow<'p, str>> {
    if text.is_empty() {
        return Err(Error::bad_request(format!("the {what} in the path is empty; nothing was changed")));
    }
    decode(text, Plus::Plus)
        .map_err(|error| Error::bad_request(format!("the {what} in the path {error}; nothing was changed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_once() {
        let path = ObjectPath::parse("/v1/objects/Room/a%2Fb%252F/say").unwrap();
        assert_eq!(
            (path.kind.as_ref(), path.id.as_deref(), path.last.as_deref()),
            ("Room", Some("a/b%2F"), Some("say"))
        );
    }

    #[test]
    fn empty_parts_and_extra_parts_are_refused_by_name() {
        for (path, word) in [
            ("/v1/objects/", "kind"),
            ("/v1/objects//x", "kind"),
            ("/v1/objects/Room/", "id"),
            ("/v1/objects/Room//say", "id"),
            ("/v1/objects/Room/a/", "handler"),
            ("/v1/objects/Room/a/b/c", "%2F"),
            ("/v1/objects/Room/%ff/say", "UTF-8"),
            ("/v1/objects/Room/%f/say", "%25"),
        ] {
            let error = ObjectPath::parse(path).unwrap_err();
            assert!(error.detail().contains(word), "{path}: {error}");
        }
    }
}
