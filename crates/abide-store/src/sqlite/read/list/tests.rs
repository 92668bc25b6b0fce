use abide_core::{
    Filter, Kind, Namespace,
    filter::Path,
    port::store::{Commit, KindIndexes, Order, Write},
};

use super::*;
use crate::{
    SqliteOptions, SqliteStore,
    contract::fixture::{Owner, at, json, key},
    sqlite::open,
};

/// A store with counters whose `n` and `t` are indexed.
struct World {
    conn: Connection,
    fields: Vec<Field>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abide.db");
        let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let owner = Owner::claim(std::sync::Arc::new(store)).await;
        let put = |n: u64| Commit {
            write: Write::Put {
                state: json(&format!(r#"{{"n":{n},"t":"{}","u":{n}}}"#, n % 3)),
                version: 1,
                created_at: at(0),
                updated_at: at(0),
            },
            ..owner.put(&key(&n.to_string()), 0)
        };
        owner.done((0..50).map(put).collect()).await;
        let kind = Kind::new("Counter").unwrap();
        let paths = ["n", "t"].map(|path| Path::parse(path).unwrap()).to_vec();
        owner.store.index(vec![KindIndexes { kind: kind.clone(), paths }]).await.unwrap();
        let conn = open::reader(&path, &SqliteOptions::default()).unwrap();
        let fields = Field::of_kind(&conn, &kind).unwrap();
        Self { conn, fields, _folder: folder }
    }

    /// How SQLite goes about a statement.
    fn explain(&self, select: &Select) -> String {
        let explained = Select { sql: format!("EXPLAIN QUERY PLAN {}", select.sql), ..select.clone() };
        let read = |rows: &mut rusqlite::Rows<'_>| {
            let mut lines = String::new();
            while let Some(row) = rows.next()? {
                lines.push_str(text(row, 3)?);
                lines.push('\n');
            }
            Ok(lines)
        };
        explained.rows(&self.conn, read).unwrap()
    }

    /// The plan of a query and how SQLite goes about each of its statements.
    fn plan(&self, query: &ListQuery) -> (String, Vec<String>) {
        let plan = Plan::choose(&self.conn, query, &self.fields).unwrap();
        let (name, selects) = match plan {
            Plan::ById => ("by id", vec![Select::by_id(query, None)]),
            Plan::Sort => ("sort", vec![Select::by_id(query, None)]),
            Plan::Gather(ranges) => {
                ("gather", ranges.iter().map(|range| Select::range(query, range, None, false)).collect())
            }
            Plan::Walk(ranges) => ("walk", steps(query, ranges)),
        };
        (name.into(), selects.iter().map(|select| self.explain(select)).collect())
    }
}

fn query(filter: &str, order: &str, after: Option<ListCursor>) -> ListQuery {
    let descending = order.starts_with('-');
    let order = order.trim_start_matches('-');
    ListQuery {
        namespace: Namespace::default(),
        kind: Kind::new("Counter").unwrap(),
        prefix: String::new(),
        filter: (!filter.is_empty()).then(|| Filter::parse(filter).unwrap()),
        order: (!order.is_empty()).then(|| Order { path: Path::parse(order).unwrap(), descending }),
        after,
        limit: 10,
    }
}

#[tokio::test]
async fn a_comparison_or_an_order_over_an_indexed_field_uses_its_index() {
    let world = World::new().await;
    let at_five = || Some(ListCursor::after_value("5", &5.into()));
    for (filter, order, after, plan) in [
        ("n>5", "", None, "gather"),
        ("n>5 and n<=9 and u=7", "", None, "gather"),
        ("n=5", "", None, "walk"),
        ("t='1'", "", None, "walk"),
        ("t=null", "", None, "walk"),
        ("n=5 or t='1' and u>3", "", None, "gather"),
        ("not (n!=5)", "", None, "walk"),
        ("not (n!=5 or u=3)", "", None, "walk"),
        ("", "n", None, "walk"),
        ("", "n", at_five(), "walk"),
        ("", "-n", at_five(), "walk"),
        ("n>5", "n", at_five(), "walk"),
        ("n>5 and n<40", "-n", at_five(), "walk"),
        ("u>5", "-t", None, "walk"),
        ("t='1'", "n", None, "gather"),
        ("n<9", "u", None, "gather"),
    ] {
        let query = query(filter, order, after);
        let (found, statements) = world.plan(&query);
        assert_eq!(found, plan, "{query:?}");
        for statement in statements {
            let uses = statement.starts_with("SEARCH objects USING INDEX indexed_");
            assert!(uses && statement.lines().count() == 1, "{query:?}: {statement}");
        }
    }
}

#[tokio::test]
async fn without_an_index_the_objects_of_the_kind_are_read_by_id() {
    let world = World::new().await;
    for (filter, order, plan) in
        [("", "", "by id"), ("u>5", "", "by id"), ("n!=5", "", "by id"), ("n=5 or u=5", "", "by id"), ("", "u", "sort")]
    {
        let (found, statements) = world.plan(&query(filter, order, None));
        assert_eq!(found, plan, "{filter} {order}");
        assert!(statements[0].starts_with("SEARCH objects USING INDEX sqlite_autoindex"), "{statements:?}");
        assert_eq!(statements[0].lines().count(), 1, "{statements:?}");
    }
}

#[tokio::test]
async fn objects_are_counted_through_the_index_and_only_so_far() {
    let world = World::new().await;
    let query = query("n>5", "", None);
    let ranges = range::ranges(query.filter.as_ref().unwrap(), &world.fields).unwrap();
    let count = Select::count(&query, &ranges[0], 20);
    assert_eq!(count.number(&world.conn).unwrap(), 20);
    let explained = world.explain(&count);
    assert!(explained.contains("SEARCH objects USING INDEX indexed_"), "{explained}");
}

#[tokio::test]
async fn what_can_never_hold_reads_nothing() {
    let world = World::new().await;
    for filter in ["n<null", "n=1 and n=2", "n=1 and n='1'", "n>5 and n<null"] {
        let (found, statements) = world.plan(&query(filter, "", None));
        assert_eq!((found.as_str(), statements.len()), ("gather", 0), "{filter}");
    }
}
