//! Pages end with their bytes, too: what is large comes in more of them.

use abide_core::{
    Filter, Json, Key, Kind, Namespace, Seq, Timestamp,
    filter::Path,
    port::store::{Alarm, AlarmsQuery, Commit, KindIndexes, ListQuery, Order, READ_BYTES, Write},
};

use super::{
    Subject,
    fixture::{Owner, alarm, at, change, key, message},
};

/// How large each row is: a page has room for two.
const LARGE: usize = READ_BYTES * 2 / 5;
/// How many of them there are, beside one that no page has room for.
const ROWS: u64 = 5;

/// A state of so many bytes.
fn large(bytes: usize, n: u64) -> Json {
    Json::trusted(format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(bytes)))
}

/// How much the row of this number has: the third is larger than a page.
fn size(n: u64) -> usize {
    if n == 3 { READ_BYTES + READ_BYTES / 4 } else { LARGE }
}

/// A page of these numbers, which says whether there are more.
fn holds_what_fits(page: &[u64], more: bool, last: u64) {
    let bytes: usize = page.iter().map(|n| size(*n)).sum();
    assert!(page.len() == 1 || bytes <= READ_BYTES, "{page:?} have {bytes} bytes");
    assert!(!page.is_empty(), "a page is empty, and {last} was not reached");
    let reached = page.last().is_some_and(|n| *n == last);
    assert_eq!(more, !reached, "{page:?}");
}

/// Changes of many bytes come in pages that hold at least one and are dense.
pub async fn changes_end_a_page_with_its_bytes(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    for n in 1..=ROWS {
        let mut record = change(n);
        record.json = large(size(n), n);
        owner.done(vec![Commit { changes: vec![record], ..owner.put(&a, n - 1) }]).await;
    }
    let (mut found, mut pages) = (Vec::new(), 0);
    while found.len() < ROWS as usize {
        let after = Seq::new(found.last().copied().unwrap_or(0));
        let page = owner.store.changes(&a, after, 99).await.unwrap();
        for change in &page.changes {
            let n = change.seq.number();
            assert_eq!(change.json, large(size(n), n));
        }
        let seqs: Vec<u64> = page.changes.iter().map(|change| change.seq.number()).collect();
        holds_what_fits(&seqs, seqs.last().is_some_and(|last| *last < page.head.number()), ROWS);
        found.extend(seqs);
        pages += 1;
    }
    assert_eq!(found, (1..=ROWS).collect::<Vec<_>>());
    assert!((3..=5).contains(&pages), "{pages} pages");
    assert_eq!(owner.seqs(&a, 3, 1).await, [4]);
}

/// Lists of large states go on where a page ended, in every order.
pub async fn a_list_ends_a_page_with_its_bytes(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let path = Path::parse("n").expect("the path is one");
    let kind = Kind::new("Counter").expect("the kind is legal");
    owner.store.index(vec![KindIndexes { kind: kind.clone(), paths: vec![path.clone()] }]).await.unwrap();
    for n in 1..=ROWS {
        let state = large(size(n), n);
        let write = Write::Put { state, version: 1, created_at: at(0), updated_at: at(0) };
        owner.done(vec![Commit { write, ..owner.put(&key(&format!("{n}")), 0) }]).await;
    }
    let order = |descending| Some(Order { path: path.clone(), descending });
    let some = Filter::parse("n > 1").expect("the filter is one");
    for (order, filter) in [(None, None), (order(true), Some(some))] {
        let descending = order.as_ref().is_some_and(|order| order.descending);
        let first = if filter.is_some() { 2 } else { 1 };
        let mut wanted: Vec<u64> = (first..=ROWS).collect();
        if descending {
            wanted.reverse();
        }
        let (namespace, prefix) = (Namespace::default(), String::new());
        let mut query = ListQuery { namespace, kind: kind.clone(), prefix, filter, order, after: None, limit: 99 };
        let mut found = Vec::new();
        loop {
            let page = owner.store.list(query.clone()).await.unwrap();
            let ids: Vec<u64> = page.objects.iter().map(|object| object.id.parse().unwrap()).collect();
            for object in &page.objects {
                let n = object.id.parse().unwrap();
                assert!(object.state == large(size(n), n), "the state of {n}");
            }
            holds_what_fits(&ids, page.next.is_some(), *wanted.last().unwrap());
            found.extend(ids);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(found, wanted, "{:?}", query.order);
    }
}

/// Messages of many bytes come in pages that say whether there are more.
pub async fn the_outbox_ends_a_page_with_its_bytes(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let receiver = key("r");
    let senders: Vec<Key> = (1..=ROWS).map(|n| key(&format!("s{n}"))).collect();
    for (n, sender) in (1..).zip(&senders) {
        let mut large_one = message(sender, n, &receiver);
        large_one.args = large(size(n), n);
        owner.done(vec![Commit { outbox: vec![large_one], ..owner.put(sender, 0) }]).await;
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = owner.store.outbox(after, 99).await.unwrap();
        let ns: Vec<u64> = page.messages.iter().map(|message| message.id.n).collect();
        assert!(page.messages.iter().all(|message| message.args == large(size(message.id.n), message.id.n)));
        holds_what_fits(&ns, page.more, ROWS);
        found.extend(ns);
        after = page.messages.last().map(|message| message.id.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(found, (1..=ROWS).collect::<Vec<_>>());
    let one = owner.store.outbox(None, 1).await.unwrap();
    assert!(one.messages.len() == 1 && one.more && !one.partial);
}

/// Alarms with large payloads come in pages that say whether there are more: due ones, and all of them.
pub async fn alarms_end_a_page_with_their_bytes(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    for n in 1..=ROWS {
        let payload = large(size(n), n);
        let ringing = Alarm { payload, ..alarm("ring", n.cast_signed()) };
        owner.done(vec![owner.alarms(&key(&n.to_string()), 0, vec![ringing])]).await;
    }
    for of_all in [false, true] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let query = AlarmsQuery {
                key: None,
                namespace: Namespace::default(),
                dead: false,
                after: after.clone(),
                limit: 99,
            };
            let page = match of_all {
                true => owner.store.alarms(query).await.unwrap(),
                false => owner.store.due_alarms(Timestamp::MAX, after, 99).await.unwrap(),
            };
            let ns: Vec<u64> = page.alarms.iter().map(|due| due.key.id().parse().unwrap()).collect();
            holds_what_fits(&ns, page.more, ROWS);
            found.extend(ns);
            after = page.alarms.last().map(|due| due.place());
            if !page.more {
                break;
            }
        }
        assert_eq!(found, (1..=ROWS).collect::<Vec<_>>(), "of all: {of_all}");
    }
    let one = owner.store.due_alarms(at(2), None, 1).await.unwrap();
    assert!(one.alarms.len() == 1 && one.more && !one.partial);
    let both = owner.store.due_alarms(at(2), None, 2).await.unwrap();
    assert!(both.alarms.len() == 2 && !both.more);
}
