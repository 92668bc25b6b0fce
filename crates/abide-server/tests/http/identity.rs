//! Who is calling: tokens and keys that are believed, and all those that are not.

use std::time::Duration;

use abide::{Namespace, Principal, Timestamp};
use abide_server::{Anonymous, ApiKeys, AuthOptions, Gate, ServerOptions};
use axum::http::StatusCode;
use jsonwebtoken::get_current_timestamp;
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    tokens::{Issuer, by_hand, claims},
    world::{Answer, World},
};

const CALL: &str = "/v1/objects/Counter/a/increment";

async fn world(auth: AuthOptions) -> World {
    World::plan().server(|server| server.auth = Some(auth)).start().await
}

impl World {
    /// Calls with a token.
    async fn call_with(&self, token: &str) -> Answer {
        self.post_with(CALL, "[1]", &[("authorization", &format!("Bearer {token}"))]).await
    }
}

impl Answer {
    /// Checks that the caller was not believed, and why.
    #[track_caller]
    fn refused(&self, why: &str) {
        let problem = self.problem(401, "unauthenticated", "nothing was changed");
        assert_eq!(problem["data"]["token"], why, "{problem}");
        let challenge = self.header("www-authenticate");
        assert!(challenge.starts_with("Bearer realm=\"abide\""), "{challenge}");
        assert_eq!(challenge.contains("invalid_token"), why != "missing", "{challenge}");
    }
}

#[tokio::test]
async fn a_token_signed_in_any_of_four_ways_is_believed() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    for (count, key) in (1..).zip(["hs", "es", "ed", "rs"]) {
        let answer = world.call_with(&issuer.sign(key, &claims("alice", &["user"]))).await.ok();
        assert_eq!(answer["result"], count, "{key}");
    }
    let several = json!({"aud": ["other", "abide"], "exp": get_current_timestamp() as f64 + 100.5});
    let mut claims = claims("alice", &[]);
    claims.as_object_mut().unwrap().extend(several.as_object().unwrap().clone());
    world.call_with(&issuer.sign("hs", &claims)).await.ok();
    let lower = [("authorization", &*format!("bearer  {}", issuer.token("alice", &[])))];
    world.post_with(CALL, "[1]", &lower).await.ok();
}

#[tokio::test]
async fn whoever_says_nothing_is_asked() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    world.post(CALL, "[1]").await.refused("missing");
    for path in
        ["/v1/kinds", "/v1/objects/Counter", "/v1/feed", "/v1/alarms", "/metrics", "/openapi.json", "/v1/nothing"]
    {
        world.get(path).await.refused("missing");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(world.get(path).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    let now = get_current_timestamp();
    for (change, why) in [
        (json!({"exp": now - 60}), "expired"),
        (json!({"exp": null}), "claims"),
        (json!({"exp": "never"}), "claims"),
        (json!({"exp": -1}), "claims"),
        (json!({"nbf": now + 100}), "early"),
        (json!({"aud": "other"}), "audience"),
        (json!({"aud": ["other", "Abide"]}), "audience"),
        (json!({"aud": []}), "audience"),
        (json!({"aud": null}), "audience"),
        (json!({"aud": {"abide": true}}), "audience"),
        (json!({"iss": "https://evil.example"}), "issuer"),
        (json!({"iss": null}), "issuer"),
        (json!({"sub": null}), "claims"),
        (json!({"sub": ""}), "claims"),
        (json!({"sub": 7}), "claims"),
        (json!({"sub": "anonymous"}), "claims"),
        (json!({"sub": "x".repeat(513)}), "claims"),
        (json!({"roles": {"admin": true}}), "claims"),
        (json!({"roles": ["a", 1]}), "claims"),
        (json!({"namespace": "../x"}), "claims"),
        (json!({"namespace": 1}), "claims"),
    ] {
        let mut claims = claims("alice", &["user"]);
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        for key in ["hs", "es"] {
            let answer = world.call_with(&issuer.sign(key, &claims)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{change}: {answer:?}");
            answer.refused(why);
        }
    }
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_no_more() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    let with = |name: &str, at: u64| {
        let mut claims = claims("alice", &[]);
        claims[name] = json!(at);
        issuer.sign("ed", &claims)
    };
    let now = get_current_timestamp();
    world.call_with(&with("exp", now - 20)).await.ok();
    world.call_with(&with("nbf", now + 20)).await.ok();
    world.call_with(&with("exp", now - 40)).await.refused("expired");
    world.call_with(&with("nbf", now + 60)).await.refused("early");
}

#[tokio::test]
async fn a_token_that_is_not_signed_is_refused() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    let claims = claims("alice", &["admin"]);
    for algorithm in ["none", "None", "NONE", "nOnE", "", "HS256 ", "hs256"] {
        for kid in [Value::Null, json!("hs"), json!("rs")] {
            let token = by_hand(&json!({"alg": algorithm, "typ": "JWT", "kid": kid}), &claims, b"");
            world.call_with(&token).await.refused("algorithm");
        }
    }
    let unsigned = by_hand(&json!({"alg": "RS256", "kid": "rs"}), &claims, b"");
    world.call_with(&unsigned).await.refused("signature");
    world.call_with(&by_hand(&json!({"kid": "rs"}), &claims, b"")).await.refused("algorithm");
}

#[tokio::test]
async fn a_public_key_is_no_secret_to_sign_with() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    let keys = issuer.keys();
    let (n, x) = (keys[3]["n"].as_str().unwrap(), keys[1]["x"].as_str().unwrap());
    for (kid, public) in [("rs", n), ("rs", &keys[3].to_string()), ("es", x), ("ed", keys[2]["x"].as_str().unwrap())] {
        let claims = claims("alice", &["admin"]);
        let message = by_hand(&json!({"alg": "HS256", "kid": kid}), &claims, b"");
        let message = message.trim_end_matches('.');
        let secret = hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes());
        let signature = hmac::sign(&secret, message.as_bytes());
        let token = by_hand(&json!({"alg": "HS256", "kid": kid}), &claims, signature.as_ref());
        world.call_with(&token).await.refused("algorithm");
    }
    // Nor is one key as good as another.
    world.call_with(&issuer.sign_as("rs", Some("es"), &claims("alice", &[]))).await.refused("algorithm");
    world.call_with(&issuer.sign_as("hs", Some("rs"), &claims("alice", &[]))).await.refused("algorithm");
}

#[tokio::test]
async fn a_key_that_is_not_known_or_not_named_is_refused() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    let claims = claims("alice", &[]);
    for said in [None, Some("unknown"), Some("encryption"), Some(""), Some("../../etc/passwd"), Some("es\0")] {
        world.call_with(&issuer.sign_as("es", said, &claims)).await.refused("key");
    }
    // A key that the token brings itself is nobody's.
    let own =
        by_hand(&json!({"alg": "EdDSA", "jwk": issuer.keys()[2], "jku": "https://evil.example/keys"}), &claims, b"x");
    world.call_with(&own).await.refused("key");
}

#[tokio::test]
async fn whatever_is_no_token_is_refused() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    let good = issuer.token("alice", &[]);
    let (head, _) = good.rsplit_once('.').unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    for (token, why) in [
        (String::from("x"), "malformed"),
        ("..".into(), "algorithm"),
        (format!("{good}."), "malformed"),
        (format!("{good}.x"), "malformed"),
        (head.into(), "malformed"),
        (format!("{head}."), "signature"),
        (format!("{head}.{}", "A".repeat(86)), "signature"),
        (format!("{}.{}.{}", parts[0], parts[1].replace('e', "f"), parts[2]), "signature"),
        (format!("{good}="), "malformed"),
        ("x".repeat(20_000), "malformed"),
        (format!("abide-{good}"), "unknown"),
        (
            by_hand(&json!({"alg": "ES256", "kid": "es", "crit": ["b64"], "b64": false}), &claims("alice", &[]), b"x"),
            "malformed",
        ),
    ] {
        world.call_with(&token).await.refused(why);
    }
    let headers = [("authorization", "Basic YWxpY2U6c2VjcmV0")];
    world.post_with(CALL, "[1]", &headers).await.refused("malformed");
    world.post_with(CALL, "[1]", &[("authorization", "Bearer")]).await.refused("malformed");
    let twice = [("authorization", "Bearer x"), ("authorization", &*format!("Bearer {good}"))];
    world.post_with(CALL, "[1]", &twice).await.problem(400, "bad_request", "twice");
    // Nor does a token count anywhere else.
    world.get(&format!("/v1/objects/Counter/a?access_token={good}")).await.refused("missing");
    world.post_with(CALL, "[1]", &[("cookie", &*format!("token={good}"))]).await.refused("missing");
}

#[tokio::test]
async fn keys_that_are_published_anew_count_at_once_and_those_taken_back_no_more() {
    let issuer = Issuer::new();
    let world = world(issuer.auth()).await;
    let (old, new) = (issuer.token("alice", &[]), issuer.sign("ed", &claims("alice", &[])));
    issuer.publish(&issuer.keys()[2..3]);
    for _ in 0..1000 {
        if world.call_with(&old).await.status == StatusCode::UNAUTHORIZED {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.call_with(&old).await.refused("key");
    world.call_with(&new).await.ok();
    world.call_with(&issuer.sign_as("ed", None, &claims("alice", &[]))).await.ok();
}

#[tokio::test]
async fn an_api_key_is_believed_until_its_time_is_over_or_it_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    let principal = || Principal { subject: "ci".into(), roles: vec!["user".into()], namespace: Namespace::default() };
    let mut keys = ApiKeys::default();
    let good = keys.issue(principal(), Timestamp::EPOCH, None);
    let over = keys.issue(principal(), Timestamp::EPOCH, Some(Timestamp::from_millis(1000)));
    keys.write(&file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&good[good.len() - 43..]), "{text}");

    let world = world(AuthOptions { keys: Some(file.clone()), ..AuthOptions::default() }).await;
    world.call_with(&good).await.ok();
    let change = &world.get_with("/v1/objects/Counter/a/changes", &good).await.ok()["changes"][0];
    assert_eq!(change["cause"]["principal"], "ci");
    world.call_with(&over).await.refused("unknown");
    for wrong in [good[..good.len() - 1].to_owned(), format!("{good}x"), good.to_uppercase(), "abide-".into()] {
        let answer = world.call_with(&wrong).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    world.call_with("a.signed.token").await.refused("malformed");

    let id = keys.all()[0].id.clone();
    assert!(keys.revoke(&id) && !keys.revoke(&id));
    keys.write(&file).unwrap();
    for _ in 0..1000 {
        if world.call_with(&good).await.status == StatusCode::UNAUTHORIZED {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a key that was revoked is believed");
}

#[tokio::test]
async fn a_token_that_is_taken_back_is_believed_no_more() {
    let issuer = Issuer::new();
    let mut auth = issuer.auth();
    let file = issuer.dir.path().join("revoked.txt");
    std::fs::write(&file, "# nobody yet\n").unwrap();
    auth.jwt.as_mut().unwrap().revoked = Some(file.clone());
    let world = world(auth).await;
    let named = |name: Value| {
        let mut claims = claims("alice", &["user"]);
        claims["jti"] = name;
        issuer.sign("es", &claims)
    };
    let (stolen, kept) = (named(json!("t-1")), named(json!("t-2")));
    for token in [&stolen, &kept] {
        world.call_with(token).await.ok();
    }
    // What has no name could not be taken back.
    for unnamed in [issuer.token("alice", &[]), named(json!("")), named(json!(" ")), named(json!(7))] {
        world.call_with(&unnamed).await.refused("claims");
    }
    std::fs::write(&file, "# stolen on Tuesday\nt-1\n").unwrap();
    for _ in 0..2000 {
        if world.call_with(&stolen).await.status == StatusCode::UNAUTHORIZED {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.call_with(&stolen).await.refused("revoked");
    world.call_with(&named(json!(" t-1 "))).await.refused("revoked");
    world.call_with(&kept).await.ok();
    // A list that is gone takes nothing back from the list.
    std::fs::remove_file(&file).unwrap();
    world.call_with(&stolen).await.refused("revoked");
}

#[tokio::test]
async fn whoever_was_believed_is_believed_until_that_is_taken_back() {
    let issuer = Issuer::new();
    let (file, list) = (issuer.dir.path().join("keys.toml"), issuer.dir.path().join("revoked.txt"));
    let mut keys = ApiKeys::default();
    let principal = Principal { subject: "ci".into(), ..Principal::default() };
    let (one, other) =
        (keys.issue(principal.clone(), Timestamp::EPOCH, None), keys.issue(principal, Timestamp::EPOCH, None));
    keys.write(&file).unwrap();
    std::fs::write(&list, "").unwrap();
    let mut auth = AuthOptions { keys: Some(file.clone()), ..issuer.auth() };
    auth.jwt.as_mut().unwrap().revoked = Some(list.clone());
    let gate = Gate::new(&ServerOptions { auth: Some(auth), ..ServerOptions::default() }).unwrap();
    let named = |key: &str, name: &str| {
        let mut claims = claims("alice", &[]);
        claims["jti"] = json!(name);
        issuer.sign(key, &claims)
    };
    let tokens = [one, other, named("es", "a"), named("ed", "a"), named("ed", "b")];
    let callers = tokens.map(|token| gate.identify_token(Some(&token), None).unwrap());
    let hold = || callers.iter().map(|caller| gate.holds(caller)).collect::<Vec<_>>();
    assert_eq!(hold(), [true; 5]);
    let mut reloaded = gate.reloaded();
    let mut comes_to = async |expected: [bool; 5]| {
        while hold() != expected {
            tokio::time::timeout(crate::world::PATIENCE, reloaded.changed()).await.expect("nobody told").unwrap();
        }
    };
    let id = keys.all()[0].id.clone();
    keys.revoke(&id);
    keys.write(&file).unwrap();
    comes_to([false, true, true, true, true]).await;
    // A key of the same name that is another key signs for nobody whom the old one signed for.
    let mut replaced = issuer.keys();
    replaced[1] = Issuer::new().keys()[1].clone();
    issuer.publish(&replaced);
    comes_to([false, true, false, true, true]).await;
    std::fs::write(&list, "a\n").unwrap();
    comes_to([false, true, false, false, true]).await;
}

#[tokio::test]
async fn callers_without_a_token_are_let_in_where_that_is_allowed_and_bad_tokens_are_not() {
    let issuer = Issuer::new();
    let anonymous = Some(Anonymous { roles: vec!["guest".into()], ..Anonymous::default() });
    let world = world(AuthOptions { anonymous, ..issuer.auth() }).await;
    world.post(CALL, "[1]").await.ok();
    let change = &world.get("/v1/objects/Counter/a/changes").await.ok()["changes"][0];
    assert_eq!(change["cause"]["principal"], "anonymous");
    let mut over = claims("alice", &[]);
    over["exp"] = json!(1);
    world.call_with(&issuer.sign("es", &over)).await.refused("expired");
}
