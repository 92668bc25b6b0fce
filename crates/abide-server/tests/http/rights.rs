//! What callers may do: every action, every role, two tenants, and names that mean to slip past a rule.

use abide_server::{AuthOptions, Rule};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    tokens::Issuer,
    world::{Answer, World},
};

fn rules(rules: Value) -> Vec<Rule> {
    serde_json::from_value(rules).unwrap()
}

async fn world(issuer: &Issuer, written: Value) -> World {
    let auth = AuthOptions { tenant_roles: vec!["operator".into()], ..issuer.auth() };
    let plan = World::plan().server(|server| {
        server.auth = Some(auth);
        server.access = rules(written);
    });
    plan.start().await
}

impl World {
    async fn call(&self, path: &str, token: &str) -> Answer {
        self.post_with(path, "[1]", &[("authorization", &format!("Bearer {token}"))]).await
    }
}

#[tokio::test]
async fn what_no_rule_allows_is_denied_on_every_route() {
    let issuer = Issuer::new();
    let world = world(&issuer, json!([{"allow": "call", "kind": "Nothing"}])).await;
    let token = issuer.token("alice", &["user", "admin"]);
    let object = "/v1/objects/Counter/a";
    for (method, path) in [
        ("POST", format!("{object}/increment")),
        ("POST", format!("{object}/changes")),
        ("POST", format!("{object}/alarms")),
        ("POST", format!("{object}/nothing")),
        ("GET", object.to_owned()),
        ("GET", format!("{object}?at=1")),
        ("DELETE", object.to_owned()),
        ("GET", format!("{object}/changes")),
        ("GET", format!("{object}/alarms")),
        ("GET", "/v1/objects/Counter".to_owned()),
        ("GET", "/v1/objects/Unknown".to_owned()),
        ("GET", "/v1/alarms".to_owned()),
    ] {
        let answer = world.send_with(method, &path, &token, &[]).await;
        let problem = answer.problem(403, "denied", "the caller may not");
        assert!(problem["detail"].as_str().unwrap().ends_with("nothing was changed"), "{problem}");
    }
    let events = world.send_with("GET", &format!("{object}/changes"), &token, &[("accept", "text/event-stream")]).await;
    events.problem(403, "denied", "watch Counter/a");
    let feed = world.get_with("/v1/feed", &token).await.ok();
    assert_eq!(feed["entries"], json!([]));
    // What says nothing of any object is for whoever is known.
    world.get_with("/v1/kinds", &token).await.ok();
    world.get_with("/openapi.json", &token).await.ok();
}

#[tokio::test]
async fn a_caller_that_may_call_and_not_create_reaches_what_is_there() {
    let issuer = Issuer::new();
    let world = world(
        &issuer,
        json!([
            {"allow": ["call", "create", "delete"], "roles": "owner"},
            {"allow": "call"},
        ]),
    )
    .await;
    let (owner, guest) = (issuer.token("olga", &["owner"]), issuer.token("gus", &[]));
    let path = "/v1/objects/Counter/a/increment";
    world.call(path, &guest).await.problem(403, "denied", "may not create it");
    assert_eq!(
        world.post_with("/v1/objects/Counter/a/get", "", &[("authorization", &format!("Bearer {guest}"))]).await.ok()["result"],
        0
    );
    let keyed = [("authorization", &*format!("Bearer {guest}")), ("idempotency-key", "k")];
    world.post_with(path, "[1]", &keyed).await.problem(403, "denied", "may not create it");
    world.call(path, &owner).await.ok();
    assert_eq!(world.call(path, &guest).await.ok()["result"], 2);
    assert_eq!(world.post_with(path, "[1]", &keyed).await.ok()["result"], 3);
    world.send_with("DELETE", "/v1/objects/Counter/a", &owner, &[]).await.ok();
    world.call(path, &guest).await.problem(403, "denied", "may not create it");
    world.send_with("DELETE", "/v1/objects/Counter/a", &guest, &[]).await.problem(403, "denied", "delete");
}

#[tokio::test]
async fn names_that_look_like_what_a_rule_allows_are_other_names() {
    let issuer = Issuer::new();
    let world = world(&issuer, json!([
        {"deny": "*", "id": "secret*"},
        {"allow": ["call", "create"], "kind": "Counter", "id": ["{sub}/*", "public"], "handler": ["increment", "get"]},
    ]))
    .await;
    let token = issuer.token("alice", &[]);
    let call = async |path: &str| world.call(&format!("/v1/objects/{path}"), &token).await.status.as_u16();
    for allowed in
        ["Counter/alice%2F1/increment", "Counter/alice%2fbob%2F..%2F1/increment", "Counter/publi%63/increment"]
    {
        assert_eq!(call(allowed).await, 200, "{allowed}");
    }
    for denied in [
        "Counter/bob%2F1/increment",
        "Counter/alice/increment",
        "Counter/alice%252F1/increment",
        "Counter/Alice%2F1/increment",
        "Counter/ALICE%2F1/increment",
        "Counter/%D0%B0lice%2F1/increment",
        "Counter/alic%C3%A9%2F1/increment",
        "Counter/..%2Falice%2F1/increment",
        "Counter/bob%2F..%2Falice%2F1/increment",
        "Counter/alice%5C1/increment",
        "Counter/alice%00%2F1/increment",
        "Counter/%20alice%2F1/increment",
        "Counter/alice%EF%BC%8F1/increment",
        "Counter/public%20/increment",
        "Counter/public%2F/increment",
        "Counter/public/name",
        "Counter/public/Increment",
        "Counter/public/incremen%D1%82",
        "counter/public/increment",
        "Tree/public/increment",
        "Counter/secret/increment",
        "Counter/secret%2Fpublic/increment",
    ] {
        assert_eq!(call(denied).await, 403, "{denied}");
    }
    for wrong in
        ["Counter/alice/1/increment", "Counter/alice%2/increment", "C%20ounter/public/increment", "Counter//increment"]
    {
        assert_eq!(call(wrong).await, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_subject_that_is_a_pattern_is_only_a_name() {
    let issuer = Issuer::new();
    let world = world(&issuer, json!([{"allow": ["call", "create"], "id": "{sub}/*"}])).await;
    for subject in ["*", "a*", "**", "{sub}", "[a-z]*", "alice/..", "\\*", "."] {
        let token = issuer.token(subject, &[]);
        let answer = world.call("/v1/objects/Counter/alice%2F1/increment", &token).await;
        answer.problem(403, "denied", "call Counter/alice/1");
    }
    world.call("/v1/objects/Counter/%2A%2F1/increment", &issuer.token("*", &[])).await.ok();
}

#[tokio::test]
async fn a_list_shows_what_the_caller_may_see_or_is_denied() {
    let issuer = Issuer::new();
    let world = world(
        &issuer,
        json!([
            {"allow": "*", "roles": "owner"},
            {"allow": "list", "kind": "Counter", "id": "{sub}/*"},
        ]),
    )
    .await;
    let (owner, alice) = (issuer.token("olga", &["owner"]), issuer.token("alice", &[]));
    for id in ["alice%2F1", "alice%2F2", "bob%2F1", "alicent"] {
        world.call(&format!("/v1/objects/Counter/{id}/increment"), &owner).await.ok();
    }
    let ids = |answer: &Value| -> Vec<String> {
        let objects = answer["objects"].as_array().or(answer["entries"].as_array()).unwrap();
        objects.iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
    };
    let list = async |query: &str, token: &str| world.get_with(&format!("/v1/objects/Counter{query}"), token).await;
    assert_eq!(ids(&list("", &owner).await.ok()).len(), 4);
    assert_eq!(ids(&list("?prefix=alice/", &alice).await.ok()), ["alice/1", "alice/2"]);
    for query in ["", "?prefix=", "?prefix=alice", "?prefix=bob/", "?where=count%3E0", "?prefix=Alice/"] {
        list(query, &alice).await.problem(403, "denied", "list");
    }
    world.get_with("/v1/alarms", &alice).await.problem(403, "denied", "every kind");
    assert_eq!(ids(&world.get_with("/v1/feed", &alice).await.ok()), ["alice/1", "alice/2"]);
    assert_eq!(ids(&world.get_with("/v1/feed", &owner).await.ok()).len(), 4);
}

#[tokio::test]
async fn tenants_do_not_meet_whatever_they_send() {
    let issuer = Issuer::new();
    let world = world(&issuer, json!([{"allow": "*"}])).await;
    let (acme, other) = (issuer.token_in("acme", "alice", &["admin"]), issuer.token_in("other", "alice", &["admin"]));
    let object = "/v1/objects/Counter/a";
    assert_eq!(world.call(&format!("{object}/increment"), &acme).await.ok()["result"], 1);
    assert_eq!(world.call(&format!("{object}/increment"), &other).await.ok()["result"], 1, "another object");
    world.call(&format!("{object}/increment"), &acme).await.ok();
    for (token, count) in [(&acme, 2), (&other, 1)] {
        assert_eq!(world.get_with(object, token).await.ok()["state"]["count"], count);
        assert_eq!(
            world.get_with(&format!("{object}/changes"), token).await.ok()["changes"].as_array().unwrap().len(),
            count
        );
        assert_eq!(world.get_with("/v1/objects/Counter", token).await.ok()["objects"].as_array().unwrap().len(), 1);
    }
    let feed = world.get_with("/v1/feed", &other).await.ok();
    assert_eq!(feed["entries"].as_array().unwrap().len(), 1);

    let (default, nobody) = (issuer.token("alice", &["admin"]), issuer.token_in("acme", "eve", &[]));
    for (token, home) in [(&other, "other"), (&default, "default"), (&nobody, "acme")] {
        for name in ["acme", "default", "other"] {
            let own = name == home;
            for (method, path) in [
                ("GET", object),
                ("DELETE", "/v1/objects/Counter/none"),
                ("POST", "/v1/objects/Counter/a/get"),
                ("GET", "/v1/objects/Counter"),
                ("GET", "/v1/objects/Counter/a/changes"),
                ("GET", "/v1/objects/Counter/a/alarms"),
                ("GET", "/v1/alarms"),
                ("GET", "/v1/feed"),
                ("GET", "/v1/kinds"),
                ("GET", "/metrics"),
            ] {
                let answer = world.send_with(method, path, token, &[("abide-namespace", name)]).await;
                let denied = answer.status == StatusCode::FORBIDDEN
                    && answer.json()["detail"].as_str().unwrap().contains("another tenant");
                assert_eq!(denied, !own, "{method} {path} in {name}: {answer:?}");
            }
        }
    }
    for name in ["ACME", "acme ", "../acme", "acme,other", "*", ""] {
        let answer = world.send_with("GET", object, &other, &[("abide-namespace", name)]).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403), "{name:?}: {answer:?}");
    }
    let twice = [("abide-namespace", "other"), ("abide-namespace", "acme")];
    world.send_with("GET", object, &other, &twice).await.problem(400, "bad_request", "twice");
    // A cursor of one tenant means nothing in another.
    for path in ["/v1/objects/acme:Counter/a", "/v1/objects/Counter/acme:a", "/v1/objects/acme%2FCounter/a"] {
        assert!(matches!(world.get_with(path, &other).await.status.as_u16(), 400 | 404), "{path}");
    }
}

#[tokio::test]
async fn a_role_that_reaches_all_tenants_enters_them_under_the_rules() {
    let issuer = Issuer::new();
    let world = world(
        &issuer,
        json!([
            {"deny": "*", "namespace": "vault"},
            {"allow": ["call", "create", "watch"], "namespace": ["acme", "default"]},
        ]),
    )
    .await;
    let operator = issuer.token("olga", &["operator"]);
    let within = |name| [("abide-namespace", name)];
    let auth = format!("Bearer {operator}");
    let headers = [("authorization", auth.as_str()), ("abide-namespace", "acme")];
    world.post_with("/v1/objects/Counter/a/increment", "[5]", &headers).await.ok();
    let seen = world.get_with("/v1/objects/Counter/a", &issuer.token_in("acme", "alice", &[])).await.ok();
    assert_eq!(seen["state"]["count"], 5);
    world.get_with("/v1/objects/Counter/a", &operator).await.problem(404, "not_found", "Counter/a");
    world.send_with("GET", "/v1/objects/Counter/a", &operator, &within("vault")).await.problem(403, "denied", "vault");
}

#[tokio::test]
async fn without_authentication_there_is_one_tenant_and_everybody_may_do_everything() {
    let world = World::new().await;
    let answer = world.post_with("/v1/objects/Counter/a/increment", "[1]", &[("authorization", "Bearer x")]).await;
    answer.ok();
    let other = [("abide-namespace", "acme")];
    world.post_with("/v1/objects/Counter/a/increment", "[1]", &other).await.problem(403, "denied", "another tenant");
    world.post_with("/v1/objects/Counter/a/increment", "[1]", &[("abide-namespace", "default")]).await.ok();
}

#[tokio::test]
async fn metrics_are_for_those_who_look_after_the_node() {
    let issuer = Issuer::new();
    abide_server::install_metrics();
    let world = world(&issuer, json!([{"allow": "*"}])).await;
    for (token, status) in [
        (issuer.token("alice", &["user"]), 403),
        (issuer.token("prometheus", &["metrics"]), 200),
        (issuer.token("olga", &["admin"]), 200),
        (issuer.token_in("acme", "olga", &["admin", "metrics"]), 403),
    ] {
        assert_eq!(world.get_with("/metrics", &token).await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_tenants_administrator_does_not_look_after_the_node_by_entering_its_tenant() {
    let issuer = Issuer::new();
    abide_server::install_metrics();
    for written in [json!([]), json!([{"allow": "*"}, {"allow": "admin", "roles": "admin"}])] {
        let world = world(&issuer, written).await;
        let acme = issuer.token_in("acme", "olga", &["admin", "operator", "metrics"]);
        let within = [("abide-namespace", "default")];
        for (method, path) in [
            ("GET", "/metrics"),
            ("GET", "/v1/inspect/node"),
            ("GET", "/v1/inspect/changes"),
            ("GET", "/v1/projections"),
            ("POST", "/v1/projections/totals/rebuild"),
        ] {
            world.send_with(method, path, &acme, &within).await.problem(403, "denied", "the tenant default");
            world.send_with(method, path, &acme, &[]).await.problem(403, "denied", "look after the node");
        }
        world.get_with("/v1/inspect/node", &issuer.token("olga", &["admin"])).await.ok();
    }
}

#[tokio::test]
async fn a_list_shows_states_to_those_who_may_watch_and_nothing_that_tells_of_them_to_others() {
    let issuer = Issuer::new();
    let world = world(
        &issuer,
        json!([
            {"allow": "*", "roles": "owner"},
            {"deny": "watch", "id": "secret*"},
            {"allow": ["list", "watch"], "roles": "reader"},
            {"allow": "list"},
        ]),
    )
    .await;
    let (owner, reader, lister) =
        (issuer.token("olga", &["owner"]), issuer.token("rita", &["reader"]), issuer.token("lea", &[]));
    for id in ["open", "secret"] {
        world.call(&format!("/v1/objects/Counter/{id}/increment"), &owner).await.ok();
    }
    let shown = async |query: &str, token: &str| -> Vec<bool> {
        let page = world.get_with(&format!("/v1/objects/Counter{query}"), token).await.ok();
        page["objects"].as_array().unwrap().iter().map(|object| object.get("state").is_some()).collect()
    };
    assert_eq!(shown("", &owner).await, [true, true]);
    assert_eq!(shown("", &reader).await, [true, false]);
    assert_eq!(shown("", &lister).await, [false, false]);
    assert_eq!(shown("?where=count%3E0", &owner).await, [true, true]);
    assert_eq!(shown("?prefix=o&where=count%3E0", &reader).await, [true]);
    for (query, token) in [("?where=count%3E0", &reader), ("?order=count", &reader), ("?prefix=o&order=count", &lister)]
    {
        let answer = world.get_with(&format!("/v1/objects/Counter{query}"), token).await;
        answer.problem(403, "denied", "watch");
    }
}

#[tokio::test]
async fn all_alarms_show_what_they_carry_to_those_who_may_watch() {
    let issuer = Issuer::new();
    let world = world(&issuer, json!([{"allow": "*", "roles": "owner"}, {"allow": "list"}])).await;
    let (owner, lister) = (issuer.token("olga", &["owner"]), issuer.token("lea", &[]));
    let auth = format!("Bearer {owner}");
    let set = [("authorization", auth.as_str())];
    world.post_with("/v1/objects/Counter/a/remind", r#"{"note":"milk"}"#, &set).await.ok();
    let alarm = async |token: &str| world.get_with("/v1/alarms", token).await.ok()["alarms"][0].clone();
    let (seen, listed) = (alarm(&owner).await, alarm(&lister).await);
    assert!(seen.get("payload").is_some() && seen["name"] == listed["name"], "{seen} {listed}");
    assert!(listed.get("payload").is_none() && listed.get("due").is_some(), "{listed}");
}

#[tokio::test]
async fn the_same_name_in_two_tenants_has_two_sets_of_idempotency_keys() {
    let issuer = Issuer::new();
    let world = world(&issuer, json!([{"allow": "*"}])).await;
    let call = async |token: &str, amount: &str| {
        let auth = format!("Bearer {token}");
        let headers = [("authorization", auth.as_str()), ("abide-namespace", "acme"), ("idempotency-key", "order-77")];
        world.post_with("/v1/objects/Counter/a/increment", amount.to_owned(), &headers).await.ok()["result"].clone()
    };
    let (theirs, ours) = (issuer.token_in("acme", "alice", &[]), issuer.token("alice", &["operator"]));
    assert_eq!(call(&theirs, "[5]").await, 5);
    assert_eq!(call(&ours, "[7]").await, 12, "it is another caller's key");
    assert_eq!(call(&theirs, "[5]").await, 5);
}
