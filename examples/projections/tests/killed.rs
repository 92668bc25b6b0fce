//! The example as a process that is killed again and again, on real databases.
#![allow(clippy::disallowed_methods, reason = "a real process takes real time")]

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use abide::projection::rusqlite::Connection;

/// After how many sales each process is killed.
const KILLS: [usize; 8] = [1, 2, 40, 3, 75, 20, 1, 60];

/// Runs the example; kills it (signal 9) when it has printed so many lines. What it said.
fn run(store: &str, model: &str, sales: usize, kill_after: Option<usize>) -> Vec<String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_projections"))
        .args([store, model, &sales.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        said.push(line.unwrap());
        if kill_after == Some(said.len()) {
            child.kill().unwrap();
        }
    }
    let ended = child.wait().unwrap();
    assert!(kill_after.is_some() || ended.success(), "{said:?}");
    said
}

/// Kills it again and again, lets it come to its end, and gives how many sales were acknowledged.
fn acknowledged(store: &str, model: &str) -> usize {
    let mut sold = 0;
    for kill_after in KILLS.map(Some).into_iter().chain([None]) {
        let said = run(store, model, 100, kill_after);
        sold += said.iter().filter(|line| line.starts_with("sold ")).count();
    }
    sold
}

/// The model against the objects: both hold the same, and at least what was acknowledged.
fn judge(model: &[(String, i64, i64)], objects: &[(String, i64, i64)], acknowledged: usize) {
    assert_eq!(model, objects);
    let sales: i64 = model.iter().map(|(_, sales, _)| sales).sum();
    // A sale that was durable when the process was killed may not have been printed.
    let most = acknowledged + KILLS.len();
    assert!((acknowledged..=most).contains(&usize::try_from(sales).unwrap()), "{sales} of {acknowledged}");
}

#[test]
fn a_model_in_sqlite_counts_each_sale_once_however_often_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let sold = acknowledged(&format!("sqlite:{}", path("objects.db")), &format!("sqlite:{}", path("model.db")));
    let rows = |file: &str, sql: &str| -> Vec<(String, i64, i64)> {
        let conn = Connection::open(path(file)).unwrap();
        let mut statement = conn.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let model = rows("model.db", "SELECT shop, sales, cents FROM totals ORDER BY shop");
    let state = "SELECT id, state ->> 'sales', state ->> 'cents' FROM objects WHERE kind = 'Shop' ORDER BY id";
    judge(&model, &rows("objects.db", state), sold);
}

#[test]
fn a_model_in_postgres_counts_each_sale_once_however_often_the_process_is_killed() {
    let server = abide_services::postgres::shared().unwrap();
    server.sql(&format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", server.schema())).unwrap();
    let url = server.url();
    let sold = acknowledged(&url, &url);
    let rows = |sql: &str| -> Vec<(String, i64, i64)> {
        let text = server.sql(sql).unwrap();
        let row = |line: &str| {
            let mut columns = line.split('|').map(str::to_owned);
            let mut next = || columns.next().unwrap();
            (next(), next().parse().unwrap(), next().parse().unwrap())
        };
        text.lines().filter(|line| line.contains('|')).map(row).collect()
    };
    let model = rows("SELECT shop, sales, cents FROM totals ORDER BY shop COLLATE \"C\"");
    let state = "SELECT id, state ->> 'sales', state ->> 'cents' FROM objects WHERE kind = 'Shop' ORDER BY id";
    judge(&model, &rows(state), sold);
}
