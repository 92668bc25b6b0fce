//! What a checker says when a promise is broken.

use std::error::Error;
use std::fmt;

/// How many findings a [`Violation`] prints for one promise and object before it only counts them.
const PRINTED_MAX: usize = 20;

/// A broken promise: one or more findings of one checker, never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    findings: Vec<Finding>,
}

/// One piece of evidence that a promise was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The promise that does not hold.
    pub promise: Promise,
    /// In what way it does not hold.
    pub fault: Fault,
    /// The object, pair of objects or watcher it was broken for.
    pub object: String,
    /// The evidence, for a person to read. May have several lines.
    pub evidence: String,
}

/// What was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// Promise 1: no acknowledged effect is lost.
    NoLostEffect,
    /// Promise 2: no two owners can both commit or answer, so that an object's calls look as if
    /// they had run one at a time.
    OneOwner,
    /// Promise 3: a keyed call takes effect once.
    OnceByKey,
    /// Promise 4: every alarm fires, and its effect applies once.
    EveryAlarmFires,
    /// Promise 5: every stream is gap-free, or says `reset`.
    GapFreeStreams,
    /// Beyond the five: a durable message is applied once, in order per sender and receiver.
    MessagesOnce,
    /// Beyond the five: a transaction takes effect whole or not at all.
    AllOrNothing,
    /// Beyond the five: alarms, timers and messages run on behalf of whoever asked for them.
    OnBehalf,
    /// Beyond the five: whoever goes has the last word. `on_delete` runs, its messages arrive, and what an
    /// object owes the store is written before it leaves memory.
    LastWords,
}

/// In what way a promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Something that must be there is not.
    Missing,
    /// Something is there more than once.
    Duplicate,
    /// Something is there that nobody asked for.
    Invented,
    /// Something is there that was refused, or that was never durable.
    Refused,
    /// Retries of one keyed call were answered differently.
    Disagreement,
    /// Things are there in the wrong order.
    OutOfOrder,
    /// Something happened before its time.
    Early,
    /// Something happened later than allowed.
    Late,
    /// Something happened although it had been cancelled or replaced.
    Stale,
    /// A stream skipped something without saying `reset`.
    Gap,
    /// Something ran on behalf of somebody else than who asked for it.
    Stranger,
    /// A state is not what its history makes it.
    WrongState,
    /// No single order of the calls explains their answers.
    NotLinearizable,
    /// The checker gave up before it knew. Not a proof of a fault, but not a pass either.
    Undecided,
}

impl Violation {
    /// `Ok` if there are no findings, otherwise the violation they make.
    pub(crate) fn unless_empty(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self { findings }) }
    }

    /// The evidence, in the order it was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether one of the findings is `fault`.
    pub fn has(&self, fault: Fault) -> bool {
        self.findings.iter().any(|finding| finding.fault == fault)
    }

    /// The first proof that this promise was broken, if there is one.
    pub fn proof_of(&self, promise: Promise) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.promise == promise && finding.fault != Fault::Undecided)
    }

    /// Whether the checker only gave up, and found nothing wrong.
    pub fn is_undecided(&self) -> bool {
        self.findings.iter().all(|finding| finding.fault == Fault::Undecided)
    }

    /// The findings by promise and object, each group in the order it was found.
    fn groups(&self) -> Vec<(Promise, &str, Vec<&Finding>)> {
        let mut sorted: Vec<&Finding> = self.findings.iter().collect();
        sorted.sort_by(|a, b| (a.promise, &a.object).cmp(&(b.promise, &b.object)));
        let mut groups: Vec<(Promise, &str, Vec<&Finding>)> = Vec::new();
        for finding in sorted {
            match groups.last_mut() {
                Some((promise, object, group)) if *promise == finding.promise && *object == finding.object => {
                    group.push(finding);
                }
                _ => groups.push((finding.promise, &finding.object, vec![finding])),
            }
        }
        groups
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (promise, object, findings)) in self.groups().into_iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            let unsure = findings.iter().all(|finding| finding.fault == Fault::Undecided);
            let verdict = if unsure { "not decided" } else { "broken" };
            write!(f, "{promise}: {verdict} for {object}")?;
            for finding in findings.iter().take(PRINTED_MAX) {
                let evidence = finding.evidence.replace('\n', "\n    ");
                write!(f, "\n  {}: {evidence}", finding.fault)?;
            }
            if findings.len() > PRINTED_MAX {
                write!(f, "\n  and {} more", findings.len() - PRINTED_MAX)?;
            }
        }
        Ok(())
    }
}

impl Error for Violation {}

impl Promise {
    /// All of them: the five, and those beyond.
    pub const ALL: [Self; 9] = [
        Self::NoLostEffect,
        Self::OneOwner,
        Self::OnceByKey,
        Self::EveryAlarmFires,
        Self::GapFreeStreams,
        Self::MessagesOnce,
        Self::AllOrNothing,
        Self::OnBehalf,
        Self::LastWords,
    ];

    /// Its name in a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoLostEffect => "promise 1",
            Self::OneOwner => "promise 2",
            Self::OnceByKey => "promise 3",
            Self::EveryAlarmFires => "promise 4",
            Self::GapFreeStreams => "promise 5",
            Self::MessagesOnce => "durable messages",
            Self::AllOrNothing => "transactions",
            Self::OnBehalf => "on whose behalf",
            Self::LastWords => "last words",
        }
    }

    /// The name of the checker that judges it.
    pub fn checker(self) -> &'static str {
        match self {
            Self::NoLostEffect | Self::OnceByKey => "effects",
            Self::OneOwner => "linearizability",
            Self::EveryAlarmFires => "alarms",
            Self::GapFreeStreams => "streams",
            Self::MessagesOnce => "outbox",
            Self::AllOrNothing => "transfers",
            Self::OnBehalf => "behalf",
            Self::LastWords => "goners",
        }
    }

    /// What it says.
    fn sentence(self) -> &'static str {
        match self {
            Self::NoLostEffect => "no acknowledged effect is lost",
            Self::OneOwner => "one owner commits and answers: calls look as if run one at a time",
            Self::OnceByKey => "a keyed call takes effect once",
            Self::EveryAlarmFires => "every alarm fires, its effect applies once",
            Self::GapFreeStreams => "every stream is gap-free, or says reset",
            Self::MessagesOnce => "applied once, in order per sender and receiver",
            Self::AllOrNothing => "whole or not at all, one after the other",
            Self::OnBehalf => "alarms, timers and messages run for whoever asked for them",
            Self::LastWords => "whoever goes does what it does last, and it stays done",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.sentence())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::Invented => "invented",
            Self::Refused => "refused yet applied",
            Self::Disagreement => "retries disagree",
            Self::OutOfOrder => "out of order",
            Self::Early => "early",
            Self::Late => "late",
            Self::Stale => "stale",
            Self::Gap => "gap",
            Self::Stranger => "on behalf of a stranger",
            Self::WrongState => "wrong state",
            Self::NotLinearizable => "not linearizable",
            Self::Undecided => "undecided",
        })
    }
}

/// A virtual time in nanoseconds, printed in seconds.
pub(crate) struct At(pub(crate) u64);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u64 = 1_000_000_000;
        let fraction = format!("{:09}", self.0 % SECOND);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{}{point}{fraction}s", self.0 / SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(object: &str, promise: Promise, fault: Fault) -> Finding {
        Finding { promise, fault, object: object.to_owned(), evidence: "first line\nsecond line".to_owned() }
    }

    #[test]
    fn no_findings_are_no_violation() {
        assert_eq!(Violation::unless_empty(Vec::new()), Ok(()));
    }

    #[test]
    fn a_violation_prints_promise_object_and_evidence_by_group() {
        let findings = vec![
            finding("b", Promise::OnceByKey, Fault::Duplicate),
            finding("a", Promise::NoLostEffect, Fault::Missing),
            finding("b", Promise::OnceByKey, Fault::Disagreement),
        ];
        let violation = Violation::unless_empty(findings).unwrap_err();
        assert_eq!(
            violation.to_string(),
            "promise 1 (no acknowledged effect is lost): broken for a\n  \
               missing: first line\n    second line\n\
             promise 3 (a keyed call takes effect once): broken for b\n  \
               duplicate: first line\n    second line\n  \
               retries disagree: first line\n    second line"
        );
    }

    #[test]
    fn a_long_violation_is_cut_and_counted() {
        let findings = vec![finding("a", Promise::NoLostEffect, Fault::Missing); PRINTED_MAX + 3];
        let text = Violation::unless_empty(findings).unwrap_err().to_string();
        assert!(text.ends_with("\n  and 3 more"), "{text}");
        assert_eq!(text.matches("missing:").count(), PRINTED_MAX);
    }

    #[test]
    fn giving_up_is_not_called_broken() {
        let given_up = Violation::unless_empty(vec![finding("a", Promise::OneOwner, Fault::Undecided)]).unwrap_err();
        assert!(given_up.is_undecided());
        assert!(given_up.to_string().contains("not decided for a"));
    }

    #[test]
    fn times_print_in_seconds_without_trailing_zeros() {
        assert_eq!(At(0).to_string(), "0s");
        assert_eq!(At(1_500_000_000).to_string(), "1.5s");
        assert_eq!(At(1_000_000_001).to_string(), "1.000000001s");
    }
}
