//! What `verify` of every store asks of the texts that are kept, and how it names their faults.

use abide_core::{Json, Seq};
use serde::Deserialize;

/// The faults found, at most so many.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) struct Faults {
    pub(crate) found: Vec<String>,
    pub(crate) limit: usize,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Faults {
    pub(crate) fn new(limit: usize) -> Self {
        Self { found: Vec::new(), limit }
    }

    pub(crate) fn add(&mut self, fault: impl Into<String>) {
        if !self.enough() {
            self.found.push(fault.into());
        }
    }

    pub(crate) fn extend(&mut self, fault: Option<String>) {
        fault.into_iter().for_each(|fault| self.add(fault));
    }

    pub(crate) fn enough(&self) -> bool {
        self.found.len() >= self.limit
    }
}

/// The fault of a text that should be JSON.
pub(crate) fn json(owner: &str, what: &str, text: &str) -> Option<String> {
    Json::parse(text).err().map(|error| format!("{owner}: its {what} is no JSON: {error}"))
}

/// The fault of a change: its wire form says at which seq it is.
pub(crate) fn change(owner: &str, seq: Seq, text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        seq: Option<Seq>,
    }
    json(owner, &format!("change {seq}"), text).or_else(|| match serde_json::from_str(text) {
        Ok(Said { seq: Some(said) }) if said != seq => {
            Some(format!("{owner}: its change {seq} says of itself that it is {said}"))
        }
        _ => None,
    })
}

/// The fault of what a keyed call was answered.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn reply(owner: &str, caller: &str, call_key: &str, ok: bool, text: &str) -> Option<String> {
    let what = format!("outcome of the call {call_key:?} of {caller:?}");
    json(owner, &what, text).or_else(|| {
        let error = serde_json::from_str::<abide_core::Error>(text).err().filter(|_| !ok)?;
        Some(format!("{owner}: its {what} is no error: {error}"))
    })
}

/// An object by its stored names, also where they are none.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn owner(namespace: &str, kind: &str, id: &str) -> String {
    abide_core::Key::parse(namespace, kind, id)
        .map_or_else(|_| format!("{namespace:?} {kind:?} {id:?}"), |key| key.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_at_the_seq_that_it_says() {
        let fault = |text| change("Counter/a", Seq::new(7), text).unwrap_or_default();
        assert_eq!(fault(r#"{"seq":7,"patch":{}}"#), "");
        assert_eq!(fault(r#"{"patch":{"seq":8}}"#), "");
        assert_eq!(fault(r#"{"seq":8}"#), "Counter/a: its change 7 says of itself that it is 8");
        assert!(fault("{").starts_with("Counter/a: its change 7 is no JSON"));
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[test]
    fn a_failure_is_an_error_and_an_answer_any_json() {
        let fault = |ok, text| reply("Counter/a", "ada", "k", ok, text).unwrap_or_default();
        assert_eq!(fault(true, "6"), "");
        assert!(fault(true, "{").contains(r#"its outcome of the call "k" of "ada" is no JSON"#));
        assert!(fault(false, "6").contains("is no error"));
    }
}
