//! May they? An ordered list of rules; the first that matches decides; whatever no rule mentions is denied.

mod action;
mod ask;
mod decision;
mod pattern;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use self::pattern::Match;
pub(crate) use self::pattern::Pattern;
pub use self::{
    action::Action,
    ask::{Ask, Ids},
    decision::{Decision, Reason},
    rule::Rule,
};
use crate::Caller;

/// The role that may look after the node although no rule says so.
const ADMIN: &str = "admin";

/// Rules, read and ready.
#[derive(Clone, Debug, Default)]
pub struct Access {
    rules: Vec<Ready>,
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("access rule {number}: {why}")]
pub struct InvalidRule {
    /// Which, counted from 1.
    pub number: usize,
    /// Why not.
    pub why: String,
}

#[derive(Clone, Debug)]
struct Ready {
    allows: bool,
    actions: Vec<Action>,
    kind: Vec<Pattern>,
    id: Vec<Pattern>,
    handler: Vec<Pattern>,
    namespace: Vec<Pattern>,
    roles: Vec<String>,
    claims: BTreeMap<String, Value>,
}

impl Access {
    /// Reads rules.
    ///
    /// # Errors
    /// [`InvalidRule`] names the first one that cannot mean anything.
    pub fn new(rules: &[Rule]) -> Result<Self, InvalidRule> {
        let ready = (1..).zip(rules).map(|(number, rule)| Ready::new(rule).map_err(|why| InvalidRule { number, why }));
        Ok(Self { rules: ready.collect::<Result<_, _>>()? })
    }

    /// How many rules there are.
    pub(crate) fn count(&self) -> usize {
        self.rules.len()
    }

    /// Decides by the rules alone; whether the caller may name the tenant is settled before.
    pub fn decide(&self, caller: &Caller, ask: &Ask<'_>) -> Decision {
        // Whoever hands out roles in a tenant hands out none over the others.
        if ask.action == Action::Admin && !caller.is_of_the_node() {
            return Decision::deny(Reason::Elsewhere);
        }
        let mut partly = None;
        for (number, rule) in (1..).zip(&self.rules) {
            match (rule.matches(caller, ask), rule.allows) {
                (Match::All, true) => {
                    return match partly {
                        Some((denies, true)) => Decision::deny(Reason::Partly(denies)),
                        Some((_, false)) | None => Decision::allow(Reason::Rule(number)),
                    };
                }
                (Match::All, false) => return Decision::deny(Reason::Rule(number)),
                // What some rule denies in part is not allowed as a whole by a later one.
                (Match::Some, allows) if partly.is_none_or(|(_, denies)| !denies) => partly = Some((number, !allows)),
                (Match::Some | Match::None, _) => {}
            }
        }
        match (ask.action, partly) {
            (Action::Admin, _) if caller.has_role(ADMIN) && ask.namespace.as_str() == "default" => {
                Decision::allow(Reason::Admin)
            }
            (Action::Admin, _) => Decision::deny(Reason::NoMatch),
            _ if self.rules.is_empty() => Decision::allow(Reason::NoRules),
            (_, Some((number, _))) => Decision::deny(Reason::Partly(number)),
            (_, None) => Decision::deny(Reason::NoMatch),
        }
    }
}

impl Ready {
    fn new(rule: &Rule) -> Result<Self, String> {
        let (allows, written) = match (rule.allow.is_empty(), rule.deny.is_empty()) {
            (false, true) => (true, &rule.allow),
            (true, false) => (false, &rule.deny),
            _ => return Err("it has either `allow` or `deny`, with at least one action".into()),
        };
        let patterns = |what: &str, texts: &[String]| -> Result<Vec<Pattern>, String> {
            let parse = |text: &String| Pattern::parse(text).map_err(|error| format!("{what} = {text:?}: {error}"));
            texts.iter().map(parse).collect()
        };
        Ok(Self {
            allows,
            actions: actions(allows, written)?,
            kind: patterns("kind", &rule.kind)?,
            id: patterns("id", &rule.id)?,
            handler: patterns("handler", &rule.handler)?,
            namespace: patterns("namespace", &rule.namespace)?,
            roles: rule.roles.clone(),
            claims: rule.claims.clone(),
        })
    }

    fn matches(&self, caller: &Caller, ask: &Ask<'_>) -> Match {
        let any = |patterns: &[Pattern], name: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name, caller))
        };
        let means = self.actions.contains(&ask.action)
            && (self.roles.is_empty() || self.roles.iter().any(|role| caller.has_role(role)))
            && self.claims.iter().all(|(name, value)| caller.claim(name).is_some_and(|claim| has(claim, value)))
            && any(&self.namespace, ask.namespace.as_str());
        if !means {
            return Match::None;
        }
        let handler = match ask.handler.filter(|_| ask.action.has_handler()) {
            Some(handler) if !any(&self.handler, handler) => Match::None,
            None if ask.action.has_handler() && !is_anything(&self.handler) => Match::Some,
            _ => Match::All,
        };
        let kind = match ask.kind {
            Some(kind) if any(&self.kind, kind) => Match::All,
            Some(_) => Match::None,
            None if is_anything(&self.kind) => Match::All,
            None => Match::Some,
        };
        let id = match ask.ids {
            Ids::One(id) if any(&self.id, id) => Match::All,
            Ids::One(_) => Match::None,
            Ids::Prefix(prefix) => most(&self.id, prefix, caller),
        };
        let all = [handler, kind, id];
        if all.contains(&Match::None) {
            Match::None
        } else if all.contains(&Match::Some) {
            Match::Some
        } else {
            Match::All
        }
    }
}

fn actions(allows: bool, written: &[String]) -> Result<Vec<Action>, String> {
    let mut actions = Vec::new();
    for name in written {
        match (name.as_str(), Action::named(name)) {
            // Whoever writes `*` for what users may do does not mean the node.
            ("*", _) => actions.extend(Action::ALL.into_iter().filter(|action| !allows || *action != Action::Admin)),
            (_, Some(action)) => actions.push(action),
            (name, None) => {
                let known: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
                return Err(format!("there is no action {name:?}; there are {} and *", known.join(", ")));
            }
        }
    }
    Ok(actions)
}

fn is_anything(patterns: &[Pattern]) -> bool {
    patterns.is_empty() || patterns.iter().any(Pattern::is_anything)
}

/// How many of the ids that begin with `prefix` match one of the patterns.
fn most(patterns: &[Pattern], prefix: &str, caller: &Caller) -> Match {
    if patterns.is_empty() {
        return Match::All;
    }
    patterns.iter().map(|pattern| pattern.matches_all(prefix, caller)).fold(Match::None, |best, next| {
        match (best, next) {
            (Match::All, _) | (_, Match::All) => Match::All,
            (Match::Some, _) | (_, Match::Some) => Match::Some,
            (Match::None, Match::None) => Match::None,
        }
    })
}

/// Whether a claim is this value or a list that has it; of several values one is enough.
fn has(claim: &Value, wanted: &Value) -> bool {
    match (claim, wanted) {
        (claim, Value::Array(any)) => any.iter().any(|wanted| has(claim, wanted)),
        (Value::Array(claims), wanted) => claims.contains(wanted),
        (claim, wanted) => claim == wanted,
    }
}
