//! Promises broken on purpose, to see that the checkers notice.

use std::{fmt, str::FromStr};

use abide_node::Mutant;

use crate::check::Promise;

/// A promise broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The node's own code is mutated.
    Node(Mutant),
    /// The store does not check epochs.
    NoFence,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Node(Mutant::NoGate),
        Self::Node(Mutant::OutcomeNotStored),
        Self::Node(Mutant::NoDedupe),
        Self::Node(Mutant::AlarmDeletedEarly),
        Self::Node(Mutant::MissedUnnoticed),
        Self::Node(Mutant::TrimmedUnnoticed),
        Self::Node(Mutant::PageDropped),
        Self::Node(Mutant::OutboxAcknowledgedEarly),
        Self::Node(Mutant::GroupIgnored),
        Self::Node(Mutant::PrincipalForgotten),
        Self::Node(Mutant::SenderForgotten),
        Self::Node(Mutant::TimerSetterForgotten),
        Self::Node(Mutant::DeleteUnnoticed),
        Self::Node(Mutant::LastWordsLost),
        Self::Node(Mutant::OwedForgotten),
        Self::NoFence,
    ];

    /// What it does.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Node(Mutant::NoGate) => "answers leave before their commit is durable",
            Self::Node(Mutant::OutcomeNotStored) => "the outcome of a keyed call is not stored",
            Self::Node(Mutant::NoDedupe) => "calls and messages that took effect are not recognised",
            Self::Node(Mutant::AlarmDeletedEarly) => "an alarm is taken off before its turn is durable",
            Self::Node(Mutant::MissedUnnoticed) => "a watcher that missed something goes on with the newest change",
            Self::Node(Mutant::TrimmedUnnoticed) => "a watch resumes where changes are no longer kept, without a reset",
            Self::Node(Mutant::PageDropped) => "the last page of kept changes is dropped between log and live",
            Self::Node(Mutant::OutboxAcknowledgedEarly) => "a message leaves the outbox before it is applied",
            Self::Node(Mutant::GroupIgnored) => "the commits of a transaction are made each by itself",
            Self::Node(Mutant::PrincipalForgotten) => "an alarm fires on behalf of nobody",
            Self::Node(Mutant::SenderForgotten) => "a message is applied on behalf of nobody",
            Self::Node(Mutant::TimerSetterForgotten) => "a timer fires on behalf of nobody",
            Self::Node(Mutant::DeleteUnnoticed) => "on_delete does not run when an object deletes itself",
            Self::Node(Mutant::LastWordsLost) => "messages of the turn that deletes their sender are not sent",
            Self::Node(Mutant::OwedForgotten) => "a `behind` object leaves memory with what it owes the store",
            Self::NoFence => "a node that was replaced can still commit",
        }
    }

    /// What it breaks: the checker of each of these has to notice, whatever others say.
    pub fn breaks(self) -> &'static [Promise] {
        use Promise::{
            AllOrNothing, EveryAlarmFires, GapFreeStreams, LastWords, MessagesOnce, NoLostEffect, OnBehalf, OnceByKey,
            OneOwner,
        };
        match self {
            Self::Node(Mutant::NoGate) => &[NoLostEffect],
            Self::Node(Mutant::OutcomeNotStored) => &[OnceByKey],
            Self::Node(Mutant::NoDedupe) => &[OnceByKey, MessagesOnce],
            Self::Node(Mutant::AlarmDeletedEarly) => &[EveryAlarmFires],
            Self::Node(Mutant::MissedUnnoticed | Mutant::TrimmedUnnoticed | Mutant::PageDropped) => &[GapFreeStreams],
            Self::Node(Mutant::OutboxAcknowledgedEarly) => &[MessagesOnce],
            Self::Node(Mutant::GroupIgnored) => &[AllOrNothing],
            Self::Node(Mutant::PrincipalForgotten | Mutant::SenderForgotten | Mutant::TimerSetterForgotten) => {
                &[OnBehalf]
            }
            Self::Node(Mutant::DeleteUnnoticed | Mutant::LastWordsLost | Mutant::OwedForgotten) => &[LastWords],
            Self::NoFence => &[NoLostEffect, OneOwner],
        }
    }
}

impl FromStr for Mutation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|mutation| mutation.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
            format!("there is no mutant {name:?}; there are: {}", names.join(", "))
        })
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(mutant) => write!(f, "{mutant:?}"),
            Self::NoFence => f.write_str("NoFence"),
        }
    }
}
