//! Queries: every parameter at most once, none that is unknown.

use abide_core::{Error, Result};

use super::percent::{Plus, decode};

/// The longest query, in bytes.
const BYTES_MAX: usize = 16 << 10;

/// The parameters of a query; each is taken out by name, and [`Query::finish`] refuses what is left.
#[derive(Debug)]
pub(crate) struct Query {
    left: Vec<(String, String)>,
    taken: Vec<&'static str>,
}

impl Query {
    /// Reads the part of a URL after `?`.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self> {
        let text = text.unwrap_or_default();
        if text.len() > BYTES_MAX {
            let bytes = text.len();
            return Err(Error::bad_request(format!("the query has {bytes} bytes, the limit is {BYTES_MAX}")));
        }
        let mut left: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name, Plus::Space)
                .map_err(|error| Error::bad_request(format!("the name of a query parameter {error}")))?;
            if left.iter().any(|(known, _)| *known == name) {
                return Err(Error::bad_request(format!("the query parameter {} is there twice", shown(&name))));
            }
            let value = decode(value, Plus::Space)
                .map_err(|error| Error::bad_request(format!("the query parameter {} {error}", shown(&name))))?;
            left.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { left, taken: Vec::new() })
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        self.taken.push(name);
        let at = self.left.iter().position(|(known, _)| known == name);
        Ok(at.map(|at| self.left.swap_remove(at).1))
    }

    /// Takes a whole number.
    pub(crate) fn number(&mut self, name: &'static str) -> Result<Option<u64>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        // Positions are stored as signed 64-bit numbers.
        let number = text.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
        number.map(Some).ok_or_else(|| {
            Error::bad_request(format!("the query parameter {name} is a whole number, not {}", shown(&text)))
        })
    }

    /// Takes `true` or `false`; false if it is not there.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                Err(Error::bad_request(format!("the query parameter {name} is true or false, not {}", shown(other))))
            }
        }
    }

    /// Takes the size of a page: 1 to `most`.
    pub(crate) fn limit(&mut self, usual: usize, most: usize) -> Result<usize> {
        let Some(number) = self.number("limit")? else {
            return Ok(usual.min(most));
        };
        match usize::try_from(number) {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(Error::bad_request(format!("the query parameter limit is 1 to {most}, not {number}"))),
        }
    }

    /// Refuses parameters that nobody took.
    pub(crate) fn finish(self) -> Result<()> {
        let Some((unknown, _)) = self.left.first() else {
            return Ok(());
        };
        let known = if self.taken.is_empty() { "none".into() } else { self.taken.join(", ") };
        Err(Error::bad_request(format!("there is no query parameter {}; there are: {known}", shown(unknown))))
    }
}

fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_taken_by_name() {
        let mut query = Query::parse(Some("where=count%3E5+and+a%3D'x%26y'&limit=10&empty")).unwrap();
        assert_eq!(query.text("where").unwrap().as_deref(), Some("count>5 and a='x&y'"));
        assert_eq!(query.limit(100, 1000).unwrap(), 10);
        assert_eq!(query.text("empty").unwrap().as_deref(), Some(""));
        assert_eq!(query.number("after").unwrap(), None);
        query.finish().unwrap();
    }

    #[test]
    fn mistakes_are_refused_by_name() {
        let check = |text: &str, word: &str| {
            let read = |text| {
                let mut query = Query::parse(Some(text))?;
                query.number("after")?;
                query.flag("dead")?;
                query.limit(10, 100)?;
                query.finish()
            };
            let error = read(text).unwrap_err();
            assert!(error.detail().contains(word), "{text}: {error}");
        };
        check("after=x", "after");
        check("after=-1", "after");
        check("after=9223372036854775808", "after");
        check("after=1&after=2", "twice");
        check("dead=yes", "true or false");
        check("limit=0", "1 to 100");
        check("limit=101", "1 to 100");
        check("aftr=1", "after, dead, limit");
        check("after=%ff", "UTF-8");
        check("%zz=1", "hexadecimal");
        check(&"a".repeat(20_000), "limit");
    }
}
