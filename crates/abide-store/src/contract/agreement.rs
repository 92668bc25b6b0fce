//! Every store answers lists as the reference does.

use std::fmt::Write as _;

use abide_core::{
    Filter, Kind, Namespace, Store,
    filter::Path,
    port::store::{Commit, KindIndexes, ListPage, ListQuery, Order, Write},
};

use super::{
    Subject,
    fixture::{Owner, at, json, key},
};
use crate::MemoryStore;

/// The fields that filters and orders are about.
const FIELDS: [&str; 3] = ["n", "t", "deep.n"];

/// What a field may be. What is written in a filter is of these, too.
const VALUES: [&str; 24] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "1.0",
    "-1",
    "-0.5",
    "2.5",
    "1e300",
    "-1e300",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551614",
    "18446744073709551615",
    "\"\"",
    "\"1\"",
    "\"a\"",
    "\"A\"",
    "\"it's\"",
    "\"\\u0000\"",
    "\"é\"",
];

/// Random objects under random filters, orders and cursors: pages are those of the reference, without
/// indexes (where the store can), with some, and with all.
pub async fn lists_are_those_of_the_reference(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let memory = MemoryStore::new(owner.store.shards());
    memory.claim().await.unwrap();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let batch: Vec<Commit> = (0..120).map(|n| put(&owner, &format!("{}", n * 37 % 120), 0, &dice.state())).collect();
    owner.done(batch.clone()).await;
    memory.commit(batch).await.unwrap();
    for indexed in [&[][..], &["t"], &FIELDS] {
        if owner.store.needs_index() && indexed.len() < FIELDS.len() {
            continue;
        }
        let paths = indexed.iter().map(|path| Path::parse(path).expect("the path parses")).collect();
        owner.store.index(vec![KindIndexes { kind: kind(), paths }]).await.unwrap();
        for round in 0..80 {
            let query = dice.query();
            agree(&owner, &memory, query).await;
            if round % 10 == 0 {
                let id = dice.below(120).to_string();
                let head = owner.head(&key(&id)).await;
                let again = vec![put(&owner, &id, head, &dice.state())];
                owner.done(again.clone()).await;
                memory.commit(again).await.unwrap();
            }
        }
    }
}

/// Goes through the pages of both.
async fn agree(owner: &Owner, memory: &MemoryStore, mut query: ListQuery) {
    loop {
        let expected: ListPage = memory.list(query.clone()).await.unwrap();
        let found = owner.store.list(query.clone()).await.unwrap();
        let ids = |page: &ListPage| page.objects.iter().map(|o| (o.id.clone(), o.seq)).collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&expected), "{query:?}");
        assert_eq!(found.next.is_some(), expected.next.is_some(), "{query:?}");
        // Cursors of one store mean the same to the other where their order is the same.
        query.after = if query.limit.is_multiple_of(2) { found.next } else { expected.next };
        if query.after.is_none() {
            return;
        }
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    fn state(&mut self) -> String {
        let mut state = String::from("{\"filler\":[1,{\"n\":5}]");
        for name in ["n", "t"] {
            if self.below(5) > 0 {
                let _ = write!(state, ",\"{name}\":{}", self.value());
            }
        }
        match self.below(4) {
            0 => {}
            1 => {
                let _ = write!(state, ",\"deep\":{}", self.value());
            }
            _ => {
                let _ = write!(state, ",\"deep\":{{\"n\":{}}}", self.value());
            }
        }
        state + "}"
    }

    fn value(&mut self) -> String {
        match self.below(8) {
            0 => "[1]".into(),
            1 => "{\"n\":1}".into(),
            2 => self.below(5).to_string(),
            _ => self.pick(&VALUES).into(),
        }
    }

    fn filter(&mut self, depth: usize) -> String {
        if depth == 0 || self.below(3) == 0 {
            let (field, operator) = (self.pick(&FIELDS), self.pick(&["=", "!=", "<", "<=", ">", ">="]));
            let value = match self.below(3) {
                0 => self.below(5).to_string(),
                _ => self.pick(&VALUES).to_owned(),
            };
            // A text of JSON is one of a filter, but for its escapes.
            let value = value.replace("\\u0000", "\0");
            return format!("{field}{operator}{value}");
        }
        let (left, right) = (self.filter(depth - 1), self.filter(depth - 1));
        match self.below(5) {
            0 => format!("not ({left})"),
            1 | 2 => format!("({left}) or ({right})"),
            _ => format!("({left}) and ({right})"),
        }
    }

    fn query(&mut self) -> ListQuery {
        let filter = self.filter(3);
        let filter = Filter::parse(&filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let path = Path::parse(self.pick(&FIELDS)).expect("the path parses");
        let order = Order { path, descending: self.below(2) == 0 };
        ListQuery {
            namespace: Namespace::default(),
            kind: kind(),
            prefix: self.pick(&["", "", "", "1", "11"]).into(),
            filter: (self.below(4) > 0).then_some(filter),
            order: (self.below(4) > 0).then_some(order),
            after: None,
            limit: 1 + self.below(40),
        }
    }
}

fn kind() -> Kind {
    Kind::new("Counter").expect("the kind is legal")
}

fn put(owner: &Owner, id: &str, head: u64, state: &str) -> Commit {
    let write = Write::Put { state: json(state), version: 1, created_at: at(0), updated_at: at(0) };
    Commit { write, ..owner.put(&key(id), head) }
}
