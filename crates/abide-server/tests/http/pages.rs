//! The changes of an object, page by page.

use serde_json::{Value, json};

use crate::world::World;

fn seqs(page: &Value) -> Vec<u64> {
    page["changes"].as_array().unwrap().iter().map(|change| change["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn changes_are_read_page_by_page_without_a_gap() {
    for world in [World::new().await, World::durable().await] {
        for _ in 0..200 {
            world.post("/v1/objects/Counter/a/increment", "[2]").await.ok();
        }
        let first = world.get("/v1/objects/Counter/a/changes").await.ok();
        assert_eq!((seqs(&first), &first["next"], &first["more"]), ((1..=100).collect(), &json!(100), &json!(true)));
        let change = &first["changes"][4];
        assert_eq!(change["patch"], json!({"count": 10}));
        assert_eq!(change["cause"]["handler"], "increment");
        assert!(change["at"].as_str().unwrap().ends_with('Z'));

        let (mut seen, mut after, mut more) = (Vec::new(), 0, true);
        while more {
            let page = world.get(&format!("/v1/objects/Counter/a/changes?after={after}&limit=70")).await.ok();
            seen.extend(seqs(&page));
            (after, more) = (page["next"].as_u64().unwrap(), page["more"].as_bool().unwrap());
        }
        assert_eq!(seen, (1..=200).collect::<Vec<_>>());
        let end = world.get("/v1/objects/Counter/a/changes?after=200").await.ok();
        assert_eq!((seqs(&end), &end["next"], &end["more"]), (vec![], &json!(200), &json!(false)));
    }
}

#[tokio::test]
async fn a_page_from_before_what_is_kept_is_a_reset_and_not_a_gap() {
    for world in [World::new().await, World::durable().await] {
        for _ in 0..50 {
            world.post("/v1/objects/Forgetful/a/increment", "").await.ok();
        }
        let lost = world.get("/v1/objects/Forgetful/a/changes?after=1").await.ok();
        assert_eq!(lost["reset"], json!({"reason": "trimmed", "seq": 50, "state": {"count": 50}}));
        assert_eq!((seqs(&lost), &lost["next"], &lost["more"]), (vec![], &json!(50), &json!(false)));

        let ahead = world.get("/v1/objects/Forgetful/a/changes?after=51").await.ok();
        assert_eq!((&ahead["reset"]["reason"], &ahead["next"]), (&json!("ahead"), &json!(50)));

        // Whoever names no position gets what is kept.
        let kept = world.get("/v1/objects/Forgetful/a/changes").await.ok();
        let floor = kept["floor"].as_u64().unwrap();
        assert!(floor > 0 && kept.get("reset").is_none());
        assert_eq!(seqs(&kept), (floor + 1..=50).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_object_that_was_never_there_has_no_changes() {
    let world = World::new().await;
    let page = world.get("/v1/objects/Counter/never/changes").await.ok();
    assert_eq!(page, json!({"changes": [], "next": 0, "more": false, "head": 0, "floor": 0}));
}

#[tokio::test]
async fn a_page_of_large_changes_ends_early_and_says_so() {
    let world = World::plan().server(|options| options.limits.page_bytes = 50_000).start().await;
    for i in 0..100 {
        let label = format!("{i}").repeat(20_000);
        world.post("/v1/objects/Counter/a/name", json!({ "label": label }).to_string()).await.ok();
    }
    let page = world.get("/v1/objects/Counter/a/changes?limit=100").await.ok();
    assert!(seqs(&page).len() < 100 && page["more"] == true);
    let next = page["next"].as_u64().unwrap();
    let rest = world.get(&format!("/v1/objects/Counter/a/changes?limit=100&after={next}")).await.ok();
    assert_eq!(seqs(&rest)[0], next + 1);
}
