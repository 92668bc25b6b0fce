//! Alarms.

use abide_core::{
    Key,
    port::store::{Alarm, AlarmCursor, AlarmWrite, AlarmsQuery, Commit, DueAlarm},
};

use super::{
    Subject,
    fixture::{Owner, alarm, at, json, key, named},
};

/// One alarm of a name at a time; edits apply in their order.
pub async fn an_alarm_is_replaced_by_its_name_and_removed_by_it(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    owner.done(vec![owner.alarms(&a, 0, vec![alarm("x", 5), alarm("y", 6), alarm("x", 7)])]).await;
    assert_eq!(owner.load(&a).await.alarms, [alarm("x", 7), alarm("y", 6)]);
    let edit = Commit {
        alarms: vec![
            AlarmWrite::Remove("y".into()),
            AlarmWrite::Remove("never set".into()),
            AlarmWrite::Set(alarm("z", 1)),
            AlarmWrite::Remove("z".into()),
            AlarmWrite::Remove("x".into()),
            AlarmWrite::Set(alarm("x", 9)),
        ],
        ..owner.keep(&a, 1)
    };
    owner.done(vec![edit]).await;
    assert_eq!(owner.load(&a).await.alarms, [alarm("x", 9)]);
    assert_eq!(due(&owner, 99, None, 9).await, [(9, "a".into(), "x".into())]);
}

/// Payload, token, attempts, schedule and principal come back as they were set.
pub async fn an_alarm_keeps_all_it_was_set_with(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let full = Alarm {
        token: u64::MAX,
        payload: json(r#"{"t":"\u0000 'é\""}"#),
        attempt: u32::MAX,
        principal: Some(json(r#"{"subject":"al\u0000ice \"é\""}"#)),
        dead: Some("it panicked: \"x\"\0".into()),
        ..alarm("näme\0", -1)
    };
    owner.done(vec![owner.alarms(&a, 0, vec![full.clone()])]).await;
    assert_eq!(owner.load(&a).await.alarms, [full]);
}

/// An alarm comes with whoever set it from every place that gives alarms, also after reopening; setting it
/// again replaces that, too.
pub async fn an_alarm_knows_on_whose_behalf_it_fires(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let of =
        |name: &str, due: i64, principal: Option<&str>| Alarm { principal: principal.map(json), ..alarm(name, due) };
    let (alice, bob) = (r#"{"subject":"alice","roles":["user"]}"#, r#"{"subject": "böb"}"#);
    let first = vec![of("now alice", 1, Some(bob)), of("now nobody", 2, Some(alice)), of("now bob", 3, None)];
    owner.done(vec![owner.alarms(&a, 0, first.clone())]).await;
    assert_eq!(everywhere(&owner, &a).await, first);
    let dead = Alarm { dead: Some("gave up".into()), ..of("dead", 4, Some(alice)) };
    let then = vec![of("now alice", 1, Some(alice)), of("now nobody", 2, None), of("now bob", 3, Some(bob))];
    owner.done(vec![owner.alarms(&a, 1, [then.clone(), vec![dead.clone()]].concat())]).await;
    assert_eq!(everywhere(&owner, &a).await, then);
    drop(owner);
    let owner = Owner::open(subject).await;
    assert_eq!(everywhere(&owner, &a).await, then);
    let query = AlarmsQuery { key: None, namespace: a.namespace().clone(), dead: true, after: None, limit: 9 };
    let buried = owner.store.alarms(query).await.unwrap().alarms;
    assert_eq!(buried, [DueAlarm { key: a, alarm: dead }]);
}

/// The live alarms of an object, by due time: the same from every place that gives alarms.
async fn everywhere(owner: &Owner, key: &Key) -> Vec<Alarm> {
    let due = owner.store.due_alarms(at(99), None, 9).await.unwrap().alarms;
    let mut loaded = owner.load(key).await.alarms;
    loaded.retain(|alarm| alarm.dead.is_none());
    loaded.sort_by_key(|alarm| alarm.due);
    for of in [Some(key.clone()), None] {
        let query = AlarmsQuery { key: of, namespace: key.namespace().clone(), dead: false, after: None, limit: 9 };
        let mut listed = owner.store.alarms(query).await.unwrap().alarms;
        listed.retain(|listed| listed.alarm.dead.is_none());
        assert_eq!(listed, due);
    }
    assert_eq!(due.iter().map(|due| due.alarm.clone()).collect::<Vec<_>>(), loaded);
    loaded
}

/// Due alarms come by due time, then key, then name; pages join without gap or double.
pub async fn alarms_are_ordered_and_paged(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let mut expected = Vec::new();
    for (namespace, kind, id) in
        [("default", "K", "b"), ("default", "K", "a"), ("default", "J", "c"), ("alpha", "Z", "z")]
    {
        let key = named(namespace, kind, id);
        let alarms = [("n", 5), ("m", 5), ("late", 9), ("early", 1), ("never", 11)];
        let set = alarms.map(|(name, due)| alarm(name, due));
        owner.done(vec![owner.alarms(&key, 0, set.to_vec())]).await;
        expected.extend(set.map(|alarm| cursor(&key, &alarm)));
    }
    expected.retain(|cursor| cursor.due <= at(10));
    expected.sort();
    for limit in [1, 3, usize::MAX] {
        let mut found: Vec<AlarmCursor> = Vec::new();
        loop {
            let after = found.last().cloned();
            let page = owner.store.due_alarms(at(10), after, limit).await.unwrap().alarms;
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            found.extend(page.iter().map(|due| cursor(&due.key, &due.alarm)));
        }
        assert_eq!(found, expected, "limit {limit}");
    }
    assert_eq!(due(&owner, 1, None, 0).await, []);
    assert_eq!(due(&owner, 0, None, 9).await, []);
}

/// A dead alarm is loaded and listed, but never due; setting it again revives it.
pub async fn a_dead_alarm_is_kept_but_not_due(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let dead = Alarm { dead: Some("gave up".into()), ..alarm("x", 1) };
    owner.done(vec![owner.alarms(&a, 0, vec![alarm("x", 1)])]).await;
    owner.done(vec![owner.alarms(&a, 1, vec![dead.clone()])]).await;
    assert_eq!(owner.load(&a).await.alarms, [dead]);
    assert_eq!(due(&owner, 99, None, 9).await, []);
    owner.done(vec![owner.alarms(&a, 2, vec![alarm("x", 2)])]).await;
    assert_eq!(due(&owner, 99, None, 9).await, [(2, "a".into(), "x".into())]);
}

/// Alarms are found by object, by namespace, and dead ones alone; all in the order of due alarms.
pub async fn alarms_are_listed_by_object_namespace_and_death(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, b, theirs) = (key("a"), key("b"), named("theirs", "Counter", "a"));
    let dead = Alarm { dead: Some("gave up".into()), ..alarm("dead", 2) };
    for object in [&a, &b, &theirs] {
        let alarms = vec![alarm("live", 1), dead.clone(), alarm("far", 1_000_000)];
        owner.done(vec![owner.alarms(object, 0, alarms)]).await;
    }
    let query = |key: Option<&Key>, dead: bool| AlarmsQuery {
        key: key.cloned(),
        namespace: a.namespace().clone(),
        dead,
        after: None,
        limit: usize::MAX,
    };
    let expected = ["live a", "live b", "dead a", "dead b", "far a", "far b"];
    assert_eq!(listed(&owner, query(None, false)).await, expected);
    assert_eq!(listed(&owner, query(None, true)).await, ["dead a", "dead b"]);
    assert_eq!(listed(&owner, query(Some(&b), false)).await, ["live b", "dead b", "far b"]);
    assert_eq!(listed(&owner, query(Some(&b), true)).await, ["dead b"]);
    assert_eq!(listed(&owner, query(Some(&theirs), false)).await, Vec::<String>::new());
    let page = AlarmsQuery { after: Some(cursor(&b, &alarm("live", 1))), limit: 2, ..query(None, false) };
    assert_eq!(listed(&owner, page).await, ["dead a", "dead b"]);
}

async fn listed(owner: &Owner, query: AlarmsQuery) -> Vec<String> {
    let alarms = owner.store.alarms(query).await.unwrap().alarms;
    let name = |due: &DueAlarm| format!("{} {}", due.alarm.name, due.key.id());
    alarms.iter().map(name).collect()
}

fn cursor(key: &Key, alarm: &Alarm) -> AlarmCursor {
    AlarmCursor { due: alarm.due, key: key.clone(), name: alarm.name.clone() }
}

async fn due(owner: &Owner, until: i64, after: Option<AlarmCursor>, limit: usize) -> Vec<(i64, String, String)> {
    let alarms = owner.store.due_alarms(at(until), after, limit).await.unwrap().alarms;
    let triple = |due: DueAlarm| {
        let millis = due.alarm.due.as_millis() - at(0).as_millis();
        (millis, due.key.id().to_owned(), due.alarm.name.to_string())
    };
    alarms.into_iter().map(triple).collect()
}
