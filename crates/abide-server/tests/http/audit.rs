//! What is written down of those who look after the node, and of those who tried to.

use std::{path::PathBuf, time::Duration};

use abide_server::{AuditOptions, AuthOptions, Rule};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    grpc::{call, grpc},
    tokens::Issuer,
    world::World,
};

struct Audited {
    world: World,
    issuer: Issuer,
    file: PathBuf,
}

impl Audited {
    /// A node whose operators enter all tenants and delete, and whose administrators look after it.
    async fn new() -> Self {
        let issuer = Issuer::new();
        let file = issuer.dir.path().join("audit.jsonl");
        let auth = AuthOptions { tenant_roles: vec!["operator".into()], ..issuer.auth() };
        let rules = json!([{"allow": "delete", "roles": "operator"}, {"allow": ["call", "create"]}]);
        let plan = World::plan().server(|server| {
            (server.auth, server.audit) = (Some(auth), Some(AuditOptions::new(&file)));
            server.access = serde_json::from_value::<Vec<Rule>>(rules).unwrap();
        });
        Self { world: plan.start().await, issuer, file }
    }

    fn operator(&self) -> String {
        self.issuer.token("olga", &["operator"])
    }

    fn acts(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What is written down when it holds, in some time.
    async fn acts_until(&self, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        for _ in 0..2000 {
            let acts = self.acts();
            if holds(&acts) {
                assert!(acts.iter().all(|act| !act["from"].as_str().unwrap().is_empty()), "{acts:?}");
                return acts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:#?}", self.acts());
    }
}

fn told(act: &Value) -> String {
    format!("{} {} {} {}", act["who"], act["act"], act["what"], act["allowed"]).replace('"', "")
}

#[tokio::test]
async fn acts_of_those_who_look_after_the_node_are_written_down() {
    let node = Audited::new().await;
    let (operator, alice) = (node.operator(), node.issuer.token("alice", &[]));
    let world = &node.world;
    world.send_with("DELETE", "/v1/objects/Counter/a", &operator, &[("abide-namespace", "acme")]).await.ok();
    world.send_with("DELETE", "/v1/objects/Counter/a", &alice, &[]).await.problem(403, "denied", "delete");
    world.send_with("GET", "/v1/feed", &alice, &[("abide-namespace", "acme")]).await.problem(403, "denied", "tenant");
    world.get_with("/metrics", &alice).await.problem(403, "denied", "look after the node");
    let rebuild = "/v1/projections/totals/rebuild";
    world.send_with("POST", rebuild, &alice, &[]).await.problem(403, "denied", "look after the node");
    let root = node.issuer.token("root", &["admin"]);
    world.send_with("POST", rebuild, &root, &[]).await.problem(404, "not_found", "totals");
    let acts = node.acts_until(|acts| acts.len() == 8).await;
    assert_eq!(
        acts.iter().map(told).collect::<Vec<_>>(),
        [
            "node start access rules: 2 true",
            "olga tenant acme true",
            "olga delete delete Counter/a in acme true",
            "alice delete delete Counter/a false",
            "alice tenant acme false",
            "alice admin look after the node false",
            "alice rebuild totals false",
            "root rebuild totals true",
        ]
    );
    for act in &acts[1..] {
        assert_eq!((&act["from"], &act["home"]), (&json!("127.0.0.1"), &json!("default")), "{act}");
        assert!(act["at"].as_str().unwrap().ends_with('Z'), "{act}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_entered_by_a_socket_or_by_grpc_is_written_down_with_the_address() {
    let node = Audited::new().await;
    let bearer = format!("Bearer {}", node.operator());
    let headers = [("authorization", bearer.as_str()), ("abide-namespace", "acme")];
    let mut request = format!("ws://{}/v1/socket", node.world.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    let (mut socket, _) = connect_async(request).await.unwrap();
    socket.send(Message::text(json!({"type": "hello", "proto": 1}).to_string())).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap().to_string().contains("welcome"));
    let answer = grpc(&node.world, "/abide.v1.Abide/Call", &headers, &call("Counter", "a", "get"), &[]).await;
    assert_eq!(answer, "0");
    let denied =
        [("authorization", &*format!("Bearer {}", node.issuer.token("eve", &[]))), ("abide-namespace", "acme")];
    let answer = grpc(&node.world, "/abide.v1.Abide/Call", &denied, &call("Counter", "a", "get"), &[]).await;
    assert_eq!(answer, "7", "permission denied");
    let acts = node.acts_until(|acts| acts.len() == 4).await;
    let told: Vec<_> = acts[1..].iter().map(told).collect();
    assert_eq!(told, ["olga tenant acme true", "olga tenant acme true", "eve tenant acme false"]);
    assert!(acts[1..].iter().all(|act| act["from"] == "127.0.0.1"), "{acts:?}");
}

#[tokio::test]
async fn who_tries_again_and_again_does_not_fill_the_disk_and_does_not_hide_what_others_do() {
    let node = Audited::new().await;
    let (operator, eve) = (node.operator(), node.issuer.token("eve", &[]));
    for _ in 0..150 {
        node.world.send_with("DELETE", "/v1/objects/Counter/a", &eve, &[]).await.problem(403, "denied", "delete");
    }
    node.world.send_with("DELETE", "/v1/objects/Counter/b", &operator, &[]).await.ok();
    let counted = |acts: &[Value]| acts.iter().filter_map(|act| act["count"].as_u64()).sum::<u64>();
    let of_eve = |acts: &[Value]| acts.iter().filter(|act| act["who"] == "eve").count() as u64;
    let acts = node.acts_until(|acts| counted(acts) + of_eve(acts) == 150).await;
    assert!(of_eve(&acts) >= 20 && counted(&acts) >= 50, "{acts:?}");
    assert!(acts.iter().any(|act| act["what"] == "delete Counter/b" && act["allowed"] == true), "{acts:?}");
}

#[tokio::test]
async fn keys_that_are_read_again_are_written_down_and_those_that_cannot_be() {
    let node = Audited::new().await;
    node.issuer.publish(&node.issuer.keys()[..2]);
    let reloads =
        |acts: &[Value], done| acts.iter().filter(|act| act["act"] == "reload" && act["allowed"] == done).count();
    let acts = node.acts_until(|acts| reloads(acts, true) == 1).await;
    let reload = acts.iter().find(|act| act["act"] == "reload").unwrap();
    assert!(reload["from"].as_str().unwrap().ends_with("keys.json"), "{reload}");
    std::fs::write(node.issuer.file(), "nothing").unwrap();
    let acts = node.acts_until(|acts| reloads(acts, false) >= 1).await;
    let failed = acts.iter().find(|act| act["act"] == "reload" && act["allowed"] == false).unwrap();
    assert!(failed["what"].as_str().unwrap().contains("not a JSON Web Key Set"), "{failed}");
}

#[tokio::test]
async fn what_was_written_down_is_in_the_file_when_the_server_has_stopped() {
    let node = Audited::new().await;
    for n in 0..30 {
        let path = format!("/v1/objects/Counter/{n}");
        node.world.send_with("DELETE", &path, &node.operator(), &[]).await.ok();
    }
    let file = node.file.clone();
    node.world.stopped().await.unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 31);
}
