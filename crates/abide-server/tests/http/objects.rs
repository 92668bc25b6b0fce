//! Reading, listing and deleting objects.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn an_object_is_read_as_it_is_and_as_it_was() {
    for world in [World::new().await, World::durable().await] {
        for amount in 1..=3 {
            world.post("/v1/objects/Counter/a/increment", format!("[{amount}]")).await.ok();
        }
        let now = world.get("/v1/objects/Counter/a").await;
        assert_eq!(now.header("cache-control"), "no-store");
        let now = now.ok();
        assert_eq!((&now["kind"], &now["id"], &now["seq"]), (&json!("Counter"), &json!("a"), &json!(3)));
        assert_eq!(now["state"], json!({"count": 6, "label": null}));
        assert!(now["created_at"].as_str().unwrap() <= now["updated_at"].as_str().unwrap());
        for (at, count) in [(1, 1), (2, 3), (3, 6)] {
            let then = world.get(&format!("/v1/objects/Counter/a?at={at}")).await.ok();
            assert_eq!((&then["seq"], &then["state"]["count"]), (&json!(at), &json!(count)));
        }
        world.get("/v1/objects/Counter/a?at=4").await.problem(404, "not_found", "last one is 3");
        world.get("/v1/objects/Counter/a?at=0").await.problem(404, "not_found", "no seq 0");
    }
}

#[tokio::test]
async fn a_state_that_is_no_longer_kept_says_so() {
    let world = World::durable().await;
    for _ in 0..40 {
        world.post("/v1/objects/Forgetful/a/increment", "").await.ok();
    }
    world.get("/v1/objects/Forgetful/a?at=1").await.problem(404, "not_found", "not kept");
    assert_eq!(world.get("/v1/objects/Forgetful/a?at=40").await.ok()["state"]["count"], json!(40));
}

#[tokio::test]
async fn a_deleted_object_is_gone_with_its_alarms() {
    for world in [World::new().await, World::durable().await] {
        world.post("/v1/objects/Counter/a/remind", r#"["milk"]"#).await.ok();
        assert_eq!(world.delete("/v1/objects/Counter/a").await.ok(), json!({"deleted": true}));
        assert_eq!(world.delete("/v1/objects/Counter/a").await.ok(), json!({"deleted": false}));
        world.get("/v1/objects/Counter/a").await.problem(404, "not_found", "Counter/a");
        assert_eq!(world.get("/v1/objects/Counter/a/alarms").await.ok()["alarms"], json!([]));
        assert_eq!(world.get("/v1/objects/Counter").await.ok()["objects"], json!([]));
        assert_eq!(world.post("/v1/objects/Counter/a/get", "").await.ok()["result"], json!(0));
    }
}

fn ids(page: &Value) -> Vec<&str> {
    page["objects"].as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn objects_are_listed_by_prefix_and_by_state_page_by_page() {
    for world in [World::new().await, World::durable().await] {
        for i in 0..150 {
            let id = if i % 2 == 0 { format!("even-{i:03}") } else { format!("odd/{i:03}").replace('/', "%2F") };
            world.post(&format!("/v1/objects/Counter/{id}/increment"), format!("[{i}]")).await.ok();
        }
        let all = world.get("/v1/objects/Counter?limit=1000").await.ok();
        assert_eq!((ids(&all).len(), &all["cursor"], &all["more"]), (150, &json!(null), &json!(false)));
        assert_eq!(all["objects"][0]["state"], json!({"count": 0, "label": null}));

        let odd = world.get("/v1/objects/Counter?prefix=odd%2F&limit=1000").await.ok();
        assert_eq!(ids(&odd).len(), 75);
        let big = world.get("/v1/objects/Counter?where=count%3E%3D140+and+not+count%3D145&prefix=even").await.ok();
        assert_eq!(ids(&big), ["even-140", "even-142", "even-144", "even-146", "even-148"]);

        let (mut seen, mut path) = (Vec::new(), "/v1/objects/Counter?limit=7".to_owned());
        loop {
            let page = world.get(&path).await.ok();
            assert!(ids(&page).len() <= 7);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(cursor) = page["cursor"].as_str() else { break };
            path = format!("/v1/objects/Counter?limit=7&cursor={cursor}");
        }
        assert_eq!(seen, ids(&all));
    }
}

#[tokio::test]
async fn a_page_of_large_objects_ends_early_and_says_so() {
    let world = World::plan().server(|options| options.limits.page_bytes = 100_000).start().await;
    let body = json!({"label": "x".repeat(60_000)}).to_string();
    for i in 0..100 {
        world.post(&format!("/v1/objects/Counter/{i:03}/name"), body.clone()).await.ok();
    }
    let page = world.get("/v1/objects/Counter?limit=100").await;
    assert!(page.bytes.len() < 1_500_000, "{}", page.bytes.len());
    let mut page = page.ok();
    let mut listed = ids(&page).len();
    while page["more"] == true {
        page =
            world.get(&format!("/v1/objects/Counter?limit=100&cursor={}", page["cursor"].as_str().unwrap())).await.ok();
        listed += ids(&page).len();
    }
    assert_eq!(listed, 100);
}

#[tokio::test]
async fn pending_alarms_are_shown_with_their_payload() {
    for world in [World::new().await, World::durable().await] {
        for id in ["a", "b", "c"] {
            world.post(&format!("/v1/objects/Counter/{id}/remind"), r#"{"note":"milk"}"#).await.ok();
        }
        let one = world.get("/v1/objects/Counter/a/alarms").await.ok();
        assert_eq!(one["alarms"].as_array().unwrap().len(), 1);
        let alarm = &one["alarms"][0];
        assert_eq!((&alarm["name"], &alarm["attempt"]), (&json!("reminder"), &json!(0)));
        assert_eq!(alarm["payload"], json!({"note": "milk"}));
        assert!(alarm["due"].as_str().unwrap().ends_with('Z'));

        let first = world.get("/v1/alarms?limit=2").await.ok();
        let rest = world.get(&format!("/v1/alarms?limit=2&cursor={}", first["cursor"].as_str().unwrap())).await.ok();
        let mut ids: Vec<_> = [&first, &rest]
            .iter()
            .flat_map(|page| page["alarms"].as_array().unwrap())
            .map(|alarm| alarm["id"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!((ids, &rest["more"]), (vec!["a", "b", "c"], &json!(false)));
        assert_eq!(world.get("/v1/alarms?dead=true").await.ok()["alarms"], json!([]));
    }
}

#[tokio::test]
async fn the_feed_tells_of_every_object_in_commit_order() {
    for world in [World::new().await, World::durable().await] {
        for i in 0..30 {
            world.post(&format!("/v1/objects/Counter/{}/step", i % 3), "").await.ok();
        }
        let (mut entries, mut after) = (Vec::new(), 0);
        loop {
            let page = world.get(&format!("/v1/feed?after={after}&limit=7")).await.ok();
            entries.extend(page["entries"].as_array().unwrap().clone());
            after = page["next"].as_u64().unwrap();
            assert_eq!(page["gap"], json!(false));
            if page["more"] == false {
                break;
            }
        }
        for id in ["0", "1", "2"] {
            let mut next = 1;
            for entry in entries.iter().filter(|entry| entry["id"] == id) {
                assert_eq!(entry["first"].as_u64(), Some(next));
                next = entry["last"].as_u64().unwrap() + 1;
            }
            assert_eq!(next, 11);
        }
        let shard = entries[0]["shard"].as_u64().unwrap();
        let one = world.get(&format!("/v1/feed?shard={shard}&limit=1000")).await.ok();
        assert!(one["entries"].as_array().unwrap().iter().all(|entry| entry["shard"] == shard));
    }
}

#[tokio::test]
async fn a_list_in_the_order_of_a_field_is_paged_with_cursors_of_that_order() {
    for world in [World::new().await, World::durable().await] {
        for (id, steps) in [("a", 3), ("b", 1), ("c", 2), ("d", 2)] {
            for _ in 0..steps {
                world.post(&format!("/v1/objects/Counter/{id}/step"), "").await.ok();
            }
        }
        for (order, expected) in [("count", ["b", "c", "d", "a"]), ("-count", ["a", "d", "c", "b"])] {
            let (mut ids, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = world.get(&format!("/v1/objects/Counter?order={order}&limit=1{cursor}")).await.ok();
                ids.extend(page["objects"].as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap().to_owned()));
                let Some(next) = page["cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(ids, expected, "{order}");
        }
        let narrow = world.get("/v1/objects/Counter?order=-count&where=count%3C3&prefix=c").await.ok();
        assert_eq!(narrow["objects"].as_array().unwrap().len(), 1);

        let by_count = world.get("/v1/objects/Counter?order=count&limit=1").await.ok()["cursor"].clone();
        let by_id = world.get("/v1/objects/Counter?limit=1").await.ok()["cursor"].clone();
        let (by_count, by_id) = (by_count.as_str().unwrap(), by_id.as_str().unwrap());
        for (wrong, word) in [
            (format!("order=-count&cursor={by_count}"), "in the order count, not -count"),
            (format!("cursor={by_count}"), "cursor"),
            (format!("order=count&cursor={by_id}"), "cursor"),
            ("order=count&cursor=x".into(), "cursor"),
            ("order=count%20desc".into(), "`-count` for descending"),
            ("order=-".into(), "`-count` for descending"),
        ] {
            let answer = world.get(&format!("/v1/objects/Counter?{wrong}")).await;
            answer.problem(400, "bad_request", word);
        }
    }
}
