//! Callers who ask for more than their share, and pages of other origins.

use abide_server::{Anonymous, AuthOptions, Rate, ServerOptions};
use axum::body::Body;

use crate::{tokens::Issuer, world::World};

const OBJECT: &str = "/v1/objects/Counter/a/changes";

fn rate(text: &str, burst: u32) -> Rate {
    text.parse::<Rate>().unwrap().burst(burst.try_into().unwrap())
}

#[tokio::test]
async fn whoever_asks_for_more_than_its_share_hears_when_to_come_back() {
    let issuer = Issuer::new();
    let plan = World::plan().server(|server| {
        server.auth = Some(issuer.auth());
        server.rates.per_principal = Some(rate("3/h", 3));
    });
    let world = plan.start().await;
    let (alice, bob) = (issuer.token("alice", &[]), issuer.token("bob", &[]));
    for _ in 0..3 {
        world.get_with(OBJECT, &alice).await.ok();
    }
    // Another token of the same caller has no share of its own.
    for token in [&alice, &issuer.sign("ed", &crate::tokens::claims("alice", &["x"]))] {
        let answer = world.get_with(OBJECT, token).await;
        assert_eq!(answer.problem(429, "rate_limited", "share")["retryable"], true);
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1000..=1200).contains(&wait), "{wait}");
    }
    world.get_with(OBJECT, &bob).await.ok();
    world.get_with(OBJECT, &issuer.token_in("acme", "alice", &[])).await.ok();
}

#[tokio::test]
async fn callers_without_a_name_share_what_their_address_has() {
    let issuer = Issuer::new();
    let plan = World::plan().server(|server| {
        server.auth = Some(AuthOptions { anonymous: Some(Anonymous::default()), ..issuer.auth() });
        server.rates.per_principal = Some(rate("3/h", 3));
    });
    let world = plan.start().await;
    for _ in 0..3 {
        world.get(OBJECT).await.ok();
    }
    world.get(OBJECT).await.problem(429, "rate_limited", "no name");
    world.get_with(OBJECT, &issuer.token("alice", &[])).await.ok();
}

#[tokio::test]
async fn knocking_at_the_doors_of_tenants_uses_up_a_share() {
    let issuer = Issuer::new();
    let plan = World::plan().server(|server| {
        server.auth = Some(issuer.auth());
        server.rates.per_principal = Some(rate("3/h", 3));
    });
    let world = plan.start().await;
    let alice = issuer.token("alice", &[]);
    for tenant in ["acme", "other", "third"] {
        let answer = world.send_with("GET", OBJECT, &alice, &[("abide-namespace", tenant)]).await;
        answer.problem(403, "denied", "another tenant");
    }
    let answer = world.send_with("GET", OBJECT, &alice, &[("abide-namespace", "acme")]).await;
    answer.problem(429, "rate_limited", "share");
}

#[tokio::test]
async fn an_address_has_its_share_before_anybody_is_believed() {
    let issuer = Issuer::new();
    let plan = World::plan().server(|server| {
        server.auth = Some(issuer.auth());
        server.rates.per_address = Some(rate("2/h", 2));
    });
    let world = plan.start().await;
    for _ in 0..2 {
        world.get_with(OBJECT, "guessed").await.problem(401, "unauthenticated", "token");
    }
    world.get_with(OBJECT, &issuer.token("alice", &[])).await.problem(429, "rate_limited", "this address");
}

/// A browser's question whether a page of this origin may send this.
async fn preflight(world: &World, origin: &str) -> crate::world::Answer {
    let request = world.request("OPTIONS", "/v1/objects/Counter/a/increment").header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    let request = request.header("access-control-request-headers", "authorization,content-type,idempotency-key");
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn pages_of_other_origins_may_do_nothing_unless_they_are_named() {
    let world = World::new().await;
    preflight(&world, "https://app.example").await.problem(403, "denied", "origin");
    let read = world.get(OBJECT).await;
    assert_eq!(read.header("access-control-allow-origin"), "");

    let issuer = Issuer::new();
    let plan = World::plan().server(|server| {
        server.auth = Some(issuer.auth());
        server.origins = vec!["https://app.example".into()];
    });
    let world = plan.start().await;
    let asked = preflight(&world, "https://app.example").await;
    assert_eq!((asked.status.as_u16(), asked.header("access-control-allow-origin")), (200, "https://app.example"));
    assert!(asked.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(asked.header("access-control-allow-credentials"), "");
    preflight(&world, "https://evil.example").await.problem(403, "denied", "origin");

    let token = issuer.token("alice", &[]);
    let from = |origin: &'static str| [("origin", origin)];
    let read = world.send_with("GET", OBJECT, &token, &from("https://app.example")).await;
    assert_eq!(read.header("access-control-allow-origin"), "https://app.example");
    let read = world.send_with("GET", OBJECT, "bad", &from("https://app.example")).await;
    assert_eq!((read.status.as_u16(), read.header("access-control-allow-origin")), (401, "https://app.example"));
    let read = world.send_with("GET", OBJECT, &token, &from("https://evil.example")).await;
    assert_eq!(read.header("access-control-allow-origin"), "");
    let path = "/v1/objects/Counter/a";
    world.send_with("DELETE", path, &token, &from("https://app.example")).await.ok();
    world.send_with("DELETE", path, &token, &from("https://evil.example")).await.problem(403, "denied", "origin");
    world.send_with("DELETE", path, &token, &from("null")).await.problem(403, "denied", "origin");
}

#[tokio::test]
async fn a_node_that_asks_nobody_is_not_open_to_every_page() {
    for origins in [["*"], ["app.example"], ["https://app.example/"], ["https://*.example"]] {
        let mut options = ServerOptions::on("127.0.0.1:0");
        options.origins = origins.map(str::to_owned).to_vec();
        let error = abide_server::Door::bind(options).await.err().unwrap();
        assert_eq!(error.code(), abide::Code::BadRequest, "{error}");
    }
}
