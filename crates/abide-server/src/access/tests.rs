use abide_core::{Key, Namespace};
use abide_node::Principal;
use proptest::prelude::*;
use serde_json::{Map, json};

use super::{
    Access, Action, Ask, Reason, Rule,
    pattern::{Match, Pattern},
};
use crate::{Caller, Means};

fn caller(subject: &str, roles: &[&str]) -> Caller {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let principal = Principal { subject: subject.into(), roles, namespace: Namespace::default() };
    let claims = json!({"team": "blue", "teams": ["red", "green"], "level": 3});
    let claims: Map<_, _> = claims.as_object().unwrap().clone();
    Caller::known(principal, Means::Token).with_claims(claims, None)
}

fn access(rules: serde_json::Value) -> Access {
    Access::new(&serde_json::from_value::<Vec<Rule>>(rules).unwrap()).unwrap()
}

fn key(kind: &str, id: &str) -> Key {
    Key::parse("default", kind, id).unwrap()
}

fn matches(pattern: &str, name: &str, subject: &str) -> bool {
    Pattern::parse(pattern).unwrap().matches(name, &caller(subject, &[]))
}

#[test]
fn the_first_rule_that_matches_decides_and_what_no_rule_mentions_is_denied() {
    let access = access(json!([
        {"deny": "call", "kind": "Wallet", "id": "bank"},
        {"allow": ["call", "watch"], "kind": ["Wallet", "Room"], "roles": ["user", "guest"]},
        {"allow": "*", "roles": "boss"},
    ]));
    let decide = |caller: &Caller, action, kind, id| {
        let key = key(kind, id);
        let decision = access.decide(caller, &Ask::object(action, &key));
        (decision.allowed, decision.reason)
    };
    let (user, boss, nobody) = (caller("alice", &["user"]), caller("bob", &["boss"]), caller("eve", &["users"]));
    assert_eq!(decide(&user, Action::Watch, "Wallet", "bank"), (true, Reason::Rule(2)));
    assert_eq!(decide(&user, Action::Delete, "Wallet", "alice"), (false, Reason::NoMatch));
    assert_eq!(decide(&user, Action::Watch, "Counter", "alice"), (false, Reason::NoMatch));
    assert_eq!(decide(&boss, Action::Delete, "Counter", "x"), (true, Reason::Rule(3)));
    assert_eq!(decide(&nobody, Action::Watch, "Room", "x"), (false, Reason::NoMatch));
    let bank = key("Wallet", "bank");
    for caller in [&user, &boss] {
        let decision = access.decide(caller, &Ask::handler(Action::Call, &bank, "deposit"));
        assert_eq!((decision.allowed, decision.reason), (false, Reason::Rule(1)));
    }
}

#[test]
fn without_rules_whoever_is_known_may_do_all_but_look_after_the_node() {
    let (access, namespace) = (Access::default(), Namespace::default());
    assert!(access.decide(&caller("alice", &[]), &Ask::object(Action::Delete, &key("Counter", "x"))).allowed);
    assert!(!access.decide(&caller("alice", &["user"]), &Ask::admin(&namespace)).allowed);
    assert!(access.decide(&caller("alice", &["admin"]), &Ask::admin(&namespace)).allowed);
    let other = Namespace::new("acme").unwrap();
    assert!(!access.decide(&caller("alice", &["admin"]), &Ask::admin(&other)).allowed, "a tenant's own admin");
}

#[test]
fn a_star_allows_everything_but_the_node_and_denies_it_too() {
    let namespace = Namespace::default();
    let all = access(json!([{"allow": "*"}]));
    assert!(!all.decide(&caller("alice", &[]), &Ask::admin(&namespace)).allowed);
    let none = access(json!([{"deny": "*", "roles": "banned"}, {"allow": "*"}]));
    assert!(!none.decide(&caller("alice", &["admin", "banned"]), &Ask::admin(&namespace)).allowed);
}

#[test]
fn a_rule_about_some_kinds_does_not_allow_to_look_after_the_node() {
    let access = access(json!([{"allow": "admin", "kind": "Room"}]));
    assert!(!access.decide(&caller("alice", &[]), &Ask::admin(&Namespace::default())).allowed);
}

#[test]
fn handlers_have_a_say_in_calls_alone() {
    let access = access(json!([{"allow": ["call", "watch"], "handler": ["get", "read_*"]}]));
    let (alice, key) = (caller("alice", &[]), key("Room", "x"));
    let call = |handler| access.decide(&alice, &Ask::handler(Action::Call, &key, handler)).allowed;
    assert!(call("get") && call("read_all") && !call("get_all") && !call("Get") && !call("say"));
    assert!(access.decide(&alice, &Ask::object(Action::Watch, &key)).allowed);
    assert!(!access.decide(&alice, &Ask::object(Action::Call, &key)).allowed, "some handler or other");
}

#[test]
fn claims_are_compared_with_one_value_or_several() {
    for (claims, holds) in [
        (json!({"team": "blue"}), true),
        (json!({"team": ["green", "blue"]}), true),
        (json!({"teams": "red"}), true),
        (json!({"teams": ["blue", "green"]}), true),
        (json!({"level": 3}), true),
        (json!({"team": "Blue"}), false),
        (json!({"teams": "blue"}), false),
        (json!({"level": "3"}), false),
        (json!({"team": "blue", "no": 1}), false),
    ] {
        let access = access(json!([{"allow": "watch", "claims": claims}]));
        let decision = access.decide(&caller("alice", &[]), &Ask::object(Action::Watch, &key("Room", "x")));
        assert_eq!(decision.allowed, holds, "{claims}");
    }
}

#[test]
fn a_list_is_allowed_if_all_that_it_may_show_is() {
    let namespace = Namespace::default();
    let decide = |rules, kind, prefix| {
        let decision = access(rules).decide(&caller("alice", &["user"]), &Ask::list(&namespace, kind, prefix));
        (decision.allowed, decision.reason)
    };
    let own = || json!([{"allow": "list", "kind": "Note", "id": "{sub}/*"}]);
    assert_eq!(decide(own(), Some("Note"), "alice/"), (true, Reason::Rule(1)));
    assert_eq!(decide(own(), Some("Note"), "alice/x"), (true, Reason::Rule(1)));
    assert_eq!(decide(own(), Some("Note"), "alice"), (false, Reason::Partly(1)));
    assert_eq!(decide(own(), Some("Note"), ""), (false, Reason::Partly(1)));
    assert_eq!(decide(own(), Some("Note"), "bob/"), (false, Reason::NoMatch));
    assert_eq!(decide(own(), None, "alice/"), (false, Reason::Partly(1)));
    let but = |id: &str| json!([{"deny": "list", "id": id}, {"allow": "list"}]);
    assert_eq!(decide(but("secret*"), Some("Note"), ""), (false, Reason::Partly(1)));
    assert_eq!(decide(but("secret*"), Some("Note"), "s"), (false, Reason::Partly(1)));
    assert_eq!(decide(but("secret*"), Some("Note"), "secrets"), (false, Reason::Rule(1)));
    assert_eq!(decide(but("secret*"), Some("Note"), "a"), (true, Reason::Rule(2)));
    assert_eq!(decide(but("*x"), Some("Note"), "a"), (false, Reason::Partly(1)));
    let more = json!([{"allow": "list", "id": "{sub}/*"}, {"allow": "list", "roles": "user"}]);
    assert_eq!(decide(more, None, ""), (true, Reason::Rule(2)), "what one rule allows in part, another allows whole");
}

#[test]
fn names_are_compared_byte_by_byte() {
    for (pattern, name, same) in [
        ("bank", "bank", true),
        ("bank", "Bank", false),
        ("bank", "bank/", false),
        ("bank", "bank\0", false),
        ("bank", "b\u{430}nk", false),
        ("caf\u{e9}", "cafe\u{301}", false),
        ("a/b", "a%2Fb", false),
        ("a/b", "a\\b", false),
        ("a*", "a/b/../c", true),
        ("a*b*c", "abc", true),
        ("a*b*c", "a-b--b-c", true),
        ("a*bc*c", "abc", false),
        ("*\\**", "a*b", true),
        ("\\*", "x", false),
        ("a.c", "abc", false),
        ("*", "anything\nat all", true),
    ] {
        assert_eq!(matches(pattern, name, "alice"), same, "{pattern} {name:?}");
    }
}

#[test]
fn a_subject_stands_for_itself_alone() {
    for subject in ["*", "a*", "\\*", "{sub}", "[a-z]", "a?c", "a\\", "..%2fx", "a b"] {
        assert!(matches("{sub}", subject, subject), "{subject}");
        assert!(matches("{sub}/*", &format!("{subject}/1"), subject), "{subject}");
        for other in ["alice", "abc", "", "aXc", "x"] {
            assert!(!matches("{sub}", other, subject), "{subject} {other}");
            assert!(!matches("{sub}/*", &format!("{other}/1"), subject), "{subject} {other}");
        }
    }
}

#[test]
fn nobody_owns_what_another_owns() {
    assert!(matches("{sub}/*", "a/b/1", "a"));
    assert!(!matches("{sub}/*", "a/b/1", "a/b"), "it is a's");
    assert!(matches("{sub}", "a/b", "a/b"));
    assert!(matches("room-{sub}", "room-a-b", "a-b"));
    assert!(!matches("*/{sub}", "x/a/b", "a/b"));
    assert!(!matches("{sub}", "", ""));
}

#[test]
fn callers_without_a_name_own_nothing() {
    let principal = Principal { subject: "anonymous".into(), roles: Vec::new(), namespace: Namespace::default() };
    let anonymous = Caller::known(principal, Means::Anonymous);
    let pattern = Pattern::parse("{sub}").unwrap();
    assert!(!pattern.matches("anonymous", &anonymous) && !pattern.matches("anonymous", &Caller::unasked()));
    assert_eq!(pattern.matches_all("anonymous", &anonymous), Match::None);
}

#[test]
fn rules_that_cannot_mean_anything_are_refused_with_their_number() {
    for (rule, word) in [
        (json!({}), "either `allow` or `deny`"),
        (json!({"allow": "call", "deny": "call"}), "either `allow` or `deny`"),
        (json!({"allow": "cal"}), "no action \"cal\""),
        (json!({"allow": "call", "id": "a?"}), "\\?"),
        (json!({"allow": "call", "id": "{subject}"}), "{sub}"),
        (json!({"allow": "call", "id": "{sub"}), "not closed"),
        (json!({"allow": "call", "id": "{sub}*"}), "side by side"),
        (json!({"allow": "call", "id": "*{sub}"}), "side by side"),
        (json!({"allow": "call", "id": "{namespace}{sub}"}), "side by side"),
        (json!({"allow": "call", "kind": "a\\"}), "\\\\"),
        (json!({"allow": "call", "handler": ""}), "empty"),
    ] {
        let rules: Vec<Rule> = serde_json::from_value(json!([{"allow": "call"}, rule])).unwrap();
        let error = Access::new(&rules).unwrap_err();
        assert!(error.number == 2 && error.why.contains(word), "{rule}: {error}");
    }
    for rule in [json!({"allow": [], "kind": "x"}), json!({"alow": "call"}), json!({"allow": 7})] {
        assert!(serde_json::from_value::<Rule>(rule).is_err());
    }
}

proptest! {
    /// Another's matcher agrees, for patterns that mean the same to it.
    #[test]
    fn patterns_match_what_globs_match(pattern in "[ab/*]{1,6}", name in "[ab/]{0,8}") {
        let glob = globset::Glob::new(&pattern.replace("**", "*").replace("**", "*").replace("**", "*"));
        let expected = glob.unwrap().compile_matcher().is_match(&name);
        prop_assert_eq!(matches(&pattern, &name, "alice"), expected);
    }

    /// A list shows nothing that one by one would be denied.
    #[test]
    fn what_a_list_shows_is_allowed_one_by_one(
        patterns in prop::collection::vec(("[ab*/]{1,4}", any::<bool>()), 1..4),
        prefix in "[ab/]{0,3}",
        rest in "[ab/]{0,4}",
    ) {
        let rule = |(id, allows): &(String, bool)| match allows {
            true => json!({"allow": "list", "id": id}),
            false => json!({"deny": "list", "id": id}),
        };
        let access = access(patterns.iter().map(rule).collect());
        let (alice, namespace, id) = (caller("alice", &[]), Namespace::default(), format!("{prefix}{rest}x"));
        if access.decide(&alice, &Ask::list(&namespace, Some("Note"), &prefix)).allowed {
            prop_assert!(access.decide(&alice, &Ask::object(Action::List, &key("Note", &id))).allowed);
        }
    }
}
