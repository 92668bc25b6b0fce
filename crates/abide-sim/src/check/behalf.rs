//! What runs later runs on behalf of whoever asked for it.

use std::collections::BTreeMap;

use super::violation::{Fault, Finding, Promise, Violation};

/// Something that runs in a turn of its own, after the one that asked for it: an alarm, a timer, a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// What tells it from every other, for the reader too.
    pub what: String,
    /// On whose behalf: of nobody, if the program itself asks.
    pub who: Option<String>,
}

/// Checks the errands that `ran` on `object` against all that were `asked` for. Where several asked for
/// the same, it may run on behalf of any of them.
///
/// What ran though nobody asked for it is not judged here: the checkers of alarms and messages do.
///
/// # Errors
/// A [`Violation`] with [`Fault::Stranger`] for each errand that ran on behalf of somebody else.
pub fn check(object: &str, asked: &[Errand], ran: &[Errand]) -> Result<(), Violation> {
    let mut askers: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
    for errand in asked {
        askers.entry(&errand.what).or_default().push(errand.who.as_deref());
    }
    let findings = ran.iter().filter_map(|errand| {
        let askers = askers.get(&*errand.what)?;
        if askers.contains(&errand.who.as_deref()) {
            return None;
        }
        let names: Vec<&str> = askers.iter().map(|who| named(*who)).collect();
        let (what, who) = (&errand.what, named(errand.who.as_deref()));
        let evidence = format!("{what} ran on behalf of {who}, and was asked for by {}", names.join(", "));
        Some(Finding { promise: Promise::OnBehalf, fault: Fault::Stranger, object: object.to_owned(), evidence })
    });
    Violation::unless_empty(findings.collect())
}

fn named(who: Option<&str>) -> &str {
    who.unwrap_or("nobody")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errands(list: &[(&str, Option<&str>)]) -> Vec<Errand> {
        list.iter().map(|(what, who)| Errand { what: (*what).to_owned(), who: who.map(str::to_owned) }).collect()
    }

    #[test]
    fn who_asked_is_who_it_runs_for() {
        let asked =
            errands(&[("alarm 1", Some("ann")), ("alarm 2", None), ("timer", Some("ann")), ("timer", Some("bob"))]);
        let ran =
            errands(&[("alarm 1", Some("ann")), ("alarm 1", Some("ann")), ("alarm 2", None), ("timer", Some("bob"))]);
        assert_eq!(check("o", &asked, &ran), Ok(()));
    }

    #[test]
    fn nobody_and_somebody_else_are_strangers() {
        let asked = errands(&[("alarm 1", Some("ann")), ("alarm 2", None)]);
        let ran = errands(&[("alarm 1", None), ("alarm 1", Some("bob")), ("alarm 2", Some("ann"))]);
        let violation = check("o", &asked, &ran).unwrap_err();
        assert!(violation.findings().iter().all(|finding| finding.fault == Fault::Stranger));
        assert_eq!(
            violation.to_string(),
            "on whose behalf (alarms, timers and messages run for whoever asked for them): broken for o\n  \
             on behalf of a stranger: alarm 1 ran on behalf of nobody, and was asked for by ann\n  \
             on behalf of a stranger: alarm 1 ran on behalf of bob, and was asked for by ann\n  \
             on behalf of a stranger: alarm 2 ran on behalf of ann, and was asked for by nobody"
        );
    }

    #[test]
    fn what_nobody_asked_for_is_for_others_to_judge() {
        assert_eq!(check("o", &[], &errands(&[("alarm 1", Some("ann"))])), Ok(()));
    }
}
