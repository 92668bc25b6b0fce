use proptest::prelude::*;
use serde_json::json;

use super::*;

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Checks for which of the states a filter holds.
fn check(text: &str, holds: &[Value], fails: &[Value]) {
    let filter = filter(text);
    for state in holds {
        assert!(filter.matches(state), "{text} should hold for {state}");
    }
    for state in fails {
        assert!(!filter.matches(state), "{text} should not hold for {state}");
    }
}

#[test]
fn the_example_of_the_manual_holds_where_it_says() {
    check(
        "count>5 and (status=open or status=waiting)",
        &[json!({"count": 6, "status": "open"}), json!({"count": 5.5, "status": "waiting"})],
        &[json!({"count": 5, "status": "open"}), json!({"count": 6, "status": "done"}), json!({"count": 6})],
    );
}

#[test]
fn each_operator_compares_numbers_and_texts() {
    for (operator, less, same, greater) in [
        ("=", false, true, false),
        ("!=", true, false, true),
        ("<", true, false, false),
        ("<=", true, true, false),
        (">", false, false, true),
        (">=", false, true, true),
    ] {
        let numbers = filter(&format!("n {operator} 10"));
        let texts = filter(&format!("t{operator}'m'"));
        for (number, text, expected) in [(9.5, "lz", less), (10.0, "m", same), (11.0, "ma", greater)] {
            assert_eq!(numbers.matches(&json!({"n": number})), expected, "{number} {operator} 10");
            assert_eq!(texts.matches(&json!({"t": text})), expected, "{text} {operator} m");
        }
    }
}

#[test]
fn a_missing_field_is_null() {
    check(
        "x=null",
        &[json!({}), json!({"x": null}), json!(7), json!({"x.y": 1})],
        &[json!({"x": 0}), json!({"x": ""})],
    );
    check("x.y != null", &[json!({"x": {"y": 0}})], &[json!({"x": 5}), json!({"x": [1]}), json!({})]);
}

#[test]
fn different_types_are_never_equal_nor_ordered() {
    let others = [json!({"x": "5"}), json!({"x": true}), json!({"x": null}), json!({"x": [5]}), json!({})];
    for text in ["x=5", "x<5", "x<=5", "x>5", "x>=5"] {
        check(text, &[], &others);
    }
    check("x!=5", &others, &[json!({"x": 5}), json!({"x": 5.0})]);
    check("not x<5", &others, &[json!({"x": 4})]);
    check("x<=null or x<=true or x>=true", &[], &[json!({"x": null}), json!({"x": true})]);
}

#[test]
fn whole_and_floating_numbers_compare_exactly() {
    check("n=9007199254740993", &[json!({"n": 9_007_199_254_740_993_u64})], &[json!({"n": 9_007_199_254_740_992.0})]);
    check(
        "n>9007199254740992.0",
        &[json!({"n": 9_007_199_254_740_993_u64})],
        &[json!({"n": 9_007_199_254_740_992_u64})],
    );
    check("n<-0.5", &[json!({"n": -1})], &[json!({"n": 0})]);
    check("n<1e300 and n>-1e300", &[json!({"n": u64::MAX}), json!({"n": i64::MIN})], &[]);
    check("n=18446744073709551615", &[json!({"n": u64::MAX})], &[json!({"n": -1})]);
}

#[test]
fn not_binds_tighter_than_and_and_and_tighter_than_or() {
    check("NOT a=1 AND b=1 OR c=1", &[json!({"b": 1}), json!({"a": 1, "c": 1})], &[json!({"a": 1, "b": 1}), json!({})]);
    check("not (a=1 or b=1)", &[json!({})], &[json!({"a": 1}), json!({"b": 1})]);
}

#[test]
fn paths_lead_into_objects_and_may_be_quoted() {
    check("address.city = Bern", &[json!({"address": {"city": "Bern"}})], &[json!({"address.city": "Bern"})]);
    check("votes.`a@b.c`.n>=3", &[json!({"votes": {"a@b.c": {"n": 3}}})], &[json!({"votes": {}})]);
    check("`not`='it''s' and `a``b`=\"\"", &[json!({"not": "it's", "a`b": ""})], &[json!({})]);
    check("größe=5", &[json!({"größe": 5})], &[json!({})]);
}

#[test]
fn bare_words_are_text_unless_they_are_json_numbers() {
    check("at>2026-01-02T03:04:05.678Z", &[json!({"at": "2026-02-01T00:00:00.000Z"})], &[json!({"at": "2025"})]);
    check("zip=007", &[json!({"zip": "007"})], &[json!({"zip": 7})]);
    check("ok=true", &[json!({"ok": true})], &[json!({"ok": "true"})]);
    check("ok='true'", &[json!({"ok": "true"})], &[json!({"ok": true})]);
    check("n=-1.5e3", &[json!({"n": -1500})], &[json!({"n": "-1.5e3"})]);
}

#[test]
fn errors_point_at_the_character_and_say_what_to_write() {
    for (text, position, hint) in [
        ("", 1, "count>5"),
        ("count", 6, "= != <"),
        ("count == 5", 7, "one of"),
        ("count >", 8, "a value is missing"),
        ("count > and", 9, "'and'"),
        ("count>5 count<9", 9, "and / or"),
        ("(count>5", 9, "a ) is missing"),
        ("count>5)", 8, "closes nothing"),
        ("ä='x", 3, "never closed"),
        ("a=1 and", 8, "field name"),
        ("5=a", 1, "`5`"),
        ("a..b=1", 1, "``"),
        ("a.=1", 3, "after the dot"),
        (".a=1", 1, "field name"),
        ("a=1 & b=2", 5, "quotes"),
        ("a=`b`", 3, "a field cannot stand here"),
        ("`a``=1", 1, "never closed"),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(error.position, position, "{text:?}: {error}");
        assert!(error.message.contains(hint), "{text:?}: {error}");
    }
}

#[test]
fn length_and_depth_are_limited() {
    let long = format!("a='{}'", "x".repeat(FILTER_BYTES_MAX));
    assert!(Filter::parse(&long).unwrap_err().message.contains("4096"));
    let nested = |depth| format!("{}a=1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(FILTER_DEPTH_MAX)).is_ok());
    assert!(Filter::parse(&nested(FILTER_DEPTH_MAX + 1)).is_err());
    assert!(Filter::parse(&format!("{}a=1", "not ".repeat(FILTER_DEPTH_MAX + 1))).is_err());
}

#[test]
fn it_serializes_as_its_text() {
    let filter = filter("a=1 or b='x'");
    let json = serde_json::to_string(&filter).unwrap();
    assert_eq!(json, r#""a = 1 or b = 'x'""#);
    assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter);
    assert!(serde_json::from_str::<Filter>(r#""a=""#).is_err());
}

fn literals() -> impl Strategy<Value = Literal> {
    let numbers = prop_oneof![
        any::<i64>().prop_map(serde_json::Number::from),
        any::<u64>().prop_map(serde_json::Number::from),
        any::<f64>().prop_filter_map("finite", serde_json::Number::from_f64),
    ];
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        numbers.prop_map(Literal::Number),
        ".{0,12}|and|true|5|'+".prop_map(Literal::Text),
    ]
}

fn exprs() -> impl Strategy<Value = Expr> {
    let path = prop::collection::vec("[a-z_]{1,3}|.{0,4}|or|`", 1..4);
    let path = path.prop_map(|segments| Path::new(segments).expect("at least one name"));
    let operator = prop::sample::select(Operator::ALL.to_vec());
    let comparison = (path, operator, literals())
        .prop_map(|(path, operator, literal)| Expr::Comparison(Comparison { path, operator, literal }));
    comparison.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_back_to_an_equal_filter(expr in exprs()) {
        let filter = Filter(expr);
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[-a-z0-9.=!<>()'\"` andor]{0,60}|.{0,60}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(error.position >= 1 && error.position <= text.chars().count() + 1);
        }
    }

    #[test]
    fn a_comparison_and_its_opposite_never_agree(expr in exprs(), value in literals()) {
        let value = match value {
            Literal::Null => Value::Null,
            Literal::Bool(value) => value.into(),
            Literal::Number(number) => Value::Number(number),
            Literal::Text(text) => text.into(),
        };
        let state = json!({"a": value});
        let opposite = Filter(Expr::Not(Box::new(expr.clone())));
        prop_assert_ne!(Filter(expr).matches(&state), opposite.matches(&state));
    }
}
