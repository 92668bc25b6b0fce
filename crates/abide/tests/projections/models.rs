//! What every database of models has to do, on those there are.

use abide::projection::{MemoryModel, Model, NoteSwap, PostgresModel, SqliteModel};

fn swap(key: &str, before: Option<&str>, after: Option<&str>) -> NoteSwap {
    NoteSwap { key: key.into(), before: before.map(str::to_owned), after: after.map(str::to_owned) }
}

fn first() -> Vec<NoteSwap> {
    vec![swap("lane/1", None, Some("a")), swap("lane/2", None, Some("b")), swap("x%", None, Some("c"))]
}

async fn read<M: Model>(model: &M, projection: &str, prefix: &str) -> Vec<(String, String)> {
    let mut tx = model.begin().await.unwrap();
    let mut notes = model.notes(&mut tx, projection, prefix).await.unwrap();
    notes.sort();
    notes
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

/// `again` opens the same model as another process would, or is another handle to it.
async fn keeps_the_contract<M: Model>(model: &M, again: &M) {
    let mut tx = model.begin().await.unwrap();
    assert!(model.swap(&mut tx, "p", first()).await.unwrap());
    drop(tx);
    assert_eq!(read(model, "p", "").await, [], "what is dropped is undone");

    let mut tx = model.begin().await.unwrap();
    assert!(model.swap(&mut tx, "p", first()).await.unwrap());
    assert!(model.swap(&mut tx, "other", vec![swap("x%", None, Some("z"))]).await.unwrap());
    model.commit(tx).await.unwrap();
    assert_eq!(read(again, "p", "").await, pairs(&[("lane/1", "a"), ("lane/2", "b"), ("x%", "c")]));
    assert_eq!(read(again, "p", "lane/").await, pairs(&[("lane/1", "a"), ("lane/2", "b")]));

    let mut tx = model.begin().await.unwrap();
    let held = model.held(&mut tx, "p", vec!["x%".into(), "y".into()]).await.unwrap();
    assert_eq!(held, pairs(&[("x%", "c")]));
    drop(tx);

    for wrong in [swap("x%", None, Some("d")), swap("x%", Some("q"), Some("d")), swap("y", Some("q"), None)] {
        let mut tx = model.begin().await.unwrap();
        assert!(!model.swap(&mut tx, "p", vec![swap("lane/1", Some("a"), Some("b")), wrong]).await.unwrap());
    }
    let mut tx = model.begin().await.unwrap();
    let right =
        vec![swap("x%", Some("c"), Some("d")), swap("lane/1", Some("a"), None), swap("lane/3", None, Some("e"))];
    assert!(model.swap(&mut tx, "p", right).await.unwrap());
    model.commit(tx).await.unwrap();
    assert_eq!(read(again, "p", "").await, pairs(&[("lane/2", "b"), ("lane/3", "e"), ("x%", "d")]));

    let mut tx = model.begin().await.unwrap();
    model.forget(&mut tx, "p").await.unwrap();
    model.commit(tx).await.unwrap();
    assert_eq!(read(again, "p", "").await, []);
    assert_eq!(read(again, "other", "").await, pairs(&[("x%", "z")]));
}

/// Many who add one to the same note, each by what it has read.
async fn never_lets_two_swap_the_same<M: Model>(models: Vec<std::sync::Arc<M>>) {
    const EACH: u64 = 10;
    let many = models.len() as u64;
    let adding = models.iter().cloned().map(|model| {
        tokio::spawn(async move {
            let mut added = 0;
            while added < EACH {
                let Ok(mut tx) = model.begin().await else { continue };
                let Ok(found) = model.notes(&mut tx, "p", "n").await else { continue };
                let before = found.first().map(|(_, text)| text.clone());
                let next = before.as_ref().map_or(1, |text| text.parse::<u64>().unwrap() + 1);
                let one = NoteSwap { key: "n".into(), before, after: Some(next.to_string()) };
                if matches!(model.swap(&mut tx, "p", vec![one]).await, Ok(true)) && model.commit(tx).await.is_ok() {
                    added += 1;
                }
            }
        })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.unwrap();
    }
    assert_eq!(read(&*models[0], "p", "n").await, pairs(&[("n", &(many * EACH).to_string())]));
}

#[tokio::test]
async fn memory_keeps_the_contract_of_models() {
    let model = MemoryModel::new(());
    keeps_the_contract(&model, &model.clone()).await;
    never_lets_two_swap_the_same((0..4).map(|_| std::sync::Arc::new(model.clone())).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_contract_of_models() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.db");
    keeps_the_contract(&SqliteModel::open(&path), &SqliteModel::open(&path)).await;
    never_lets_two_swap_the_same((0..4).map(|_| std::sync::Arc::new(SqliteModel::open(&path))).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_the_contract_of_models() {
    let server = abide_services::postgres::shared().unwrap();
    server.sql(&format!("CREATE SCHEMA \"{}\"", server.schema())).unwrap();
    let open = || PostgresModel::open(&server.url()).unwrap();
    keeps_the_contract(&open(), &open()).await;
    never_lets_two_swap_the_same((0..4).map(|_| std::sync::Arc::new(open())).collect()).await;
}

/// PostgreSQL ends a transaction at its first error, and answers its COMMIT all the same.
#[tokio::test]
async fn what_postgres_has_rolled_back_is_not_written_though_its_error_was_passed_over() {
    let server = abide_services::postgres::shared().unwrap();
    server.sql(&format!("CREATE SCHEMA \"{}\"", server.schema())).unwrap();
    let model = PostgresModel::open(&server.url()).unwrap();
    let mut tx = model.begin().await.unwrap();
    assert!(model.swap(&mut tx, "p", first()).await.unwrap());
    assert!(tx.execute("INSERT INTO nowhere VALUES (1)", &[]).await.is_err());
    let error = model.commit(tx).await.unwrap_err();
    assert!(error.to_string().contains("25P02"), "{error}");
    assert_eq!(read(&model, "p", "").await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_whose_database_is_away_says_so() {
    let model = PostgresModel::open("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    let error = model.begin().await.map(drop).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
    let model = SqliteModel::open("/nowhere/at/all.db");
    let error = model.begin().await.map(drop).unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all.db"), "{error}");
}
