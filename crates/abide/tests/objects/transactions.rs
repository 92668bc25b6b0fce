use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use abide::{Code, prelude::*};

use super::{Counter, CounterRef, TooLow};

/// Deletes itself, sets alarms, sends messages, and has a hook.
#[derive(State, Default)]
pub struct Diary {
    created: bool,
    notes: Vec<String>,
}

#[object]
impl Diary {
    #[hook]
    fn on_create(&mut self) {
        self.created = true;
    }

    #[handler]
    pub fn note(&mut self, text: String) -> usize {
        self.notes.push(text);
        self.notes.len()
    }

    #[handler]
    pub fn notes(&self) -> (bool, Vec<String>) {
        (self.created, self.notes.clone())
    }

    #[handler]
    pub fn remind(&mut self, ctx: &mut Context) -> Result<usize> {
        ctx.alarm("ring").after("50ms");
        ctx.object::<Self>("reader").note("sent".into()).send(ctx)?;
        Ok(ctx.alarms().len())
    }

    #[handler]
    pub fn alarms(&self, ctx: &Context) -> usize {
        ctx.alarms().len()
    }

    #[alarm]
    fn ring(&mut self) {
        self.notes.push("rang".into());
    }

    #[handler]
    pub fn burn(&mut self, ctx: &mut Context) {
        ctx.delete_self();
    }

    /// Calls an object that the transaction holds, past the transaction.
    #[handler]
    pub async fn call_back(&mut self, ctx: &mut Context, id: String) -> Result<i64> {
        ctx.object::<Counter>(&id).increment(1).await
    }

    /// A transaction made out of a turn.
    #[handler]
    pub async fn share(&mut self, ctx: &mut Context, ids: (String, String), amount: i64) -> Result<()> {
        self.notes.push(format!("sharing {amount}"));
        let (a, b) = (ctx.object::<Counter>(&ids.0), ctx.object::<Counter>(&ids.1));
        ctx.transaction(&[&a, &b], |tx| {
            let (a, b) = (a.within(&tx), b.within(&tx));
            async move {
                a.take(amount).await?;
                b.increment(amount).await?;
                Ok(())
            }
        })
        .await
    }

    #[handler]
    pub async fn with_myself(&mut self, ctx: &mut Context) -> Result<()> {
        let me = ctx.object::<Self>("me");
        ctx.transaction(&[&me], |_| async { Ok(()) }).await
    }
}

#[derive(State, Default)]
pub struct Fleeting {
    n: u64,
}

#[object(durability = "volatile")]
impl Fleeting {
    #[handler]
    pub fn add(&mut self) {
        self.n += 1;
    }
}

async fn memory() -> Abide {
    Abide::open("memory:").register::<Counter>().register::<Diary>().register::<Fleeting>().start().await.unwrap()
}

async fn two(abide: &Abide) -> (CounterRef, CounterRef) {
    let (a, b) = (abide.object::<Counter>("a"), abide.object::<Counter>("b"));
    a.increment(100).await.unwrap();
    (a, b)
}

async fn counts(a: &CounterRef, b: &CounterRef) -> (i64, i64) {
    (a.get().await.unwrap(), b.get().await.unwrap())
}

async fn transfer(abide: &Abide, a: &CounterRef, b: &CounterRef, amount: i64) -> Result<i64> {
    abide
        .transaction(&[a, b], |tx| async move {
            let left = a.within(&tx).take(amount).await?;
            b.within(&tx).increment(amount).await?;
            Ok(left)
        })
        .await
}

#[tokio::test]
async fn what_a_transaction_did_to_several_objects_is_durable_in_one_piece() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    assert_eq!(transfer(&abide, &a, &b, 30).await.unwrap(), 70);
    assert_eq!(counts(&a, &b).await, (70, 30));
    abide.evict_idle();
    assert_eq!(counts(&a, &b).await, (70, 30), "the store has it");
    assert_eq!(b.increment(1).reply().await.unwrap().seq.number(), 2);
}

#[tokio::test]
async fn an_error_of_the_body_undoes_everything() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let done: Result<()> = abide
        .transaction(&[&a, &b], |tx| async move {
            tx.object::<Counter>("b").increment(500).await?;
            tx.object::<Counter>("a").take(500).await?;
            Ok(())
        })
        .await;
    assert_eq!(done.unwrap_err().rejection::<TooLow>(), Some(TooLow { missing: 400 }));
    assert_eq!(counts(&a, &b).await, (100, 0));
    assert!(b.peek().await.unwrap().is_none(), "b was never there");
    assert_eq!(a.increment(1).reply().await.unwrap().seq.number(), 2, "no seq was used up");
}

#[tokio::test]
async fn a_refused_call_leaves_its_own_object_alone_and_the_body_decides() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let left: i64 = abide
        .transaction(&[&a, &b], |tx| async move {
            let (a, b) = (tx.object::<Counter>("a"), tx.object::<Counter>("b"));
            a.increment(1).await?;
            assert_eq!(a.take(500).await.unwrap_err().code(), Code::Rejected);
            assert_eq!(a.crash().await.unwrap_err().code(), Code::Internal);
            b.increment(7).await?;
            a.get().await
        })
        .await
        .unwrap();
    assert_eq!(left, 101);
    let (a, b) = (abide.object::<Counter>("a"), abide.object::<Counter>("b"));
    assert_eq!(counts(&a, &b).await, (101, 7));
}

#[tokio::test]
async fn a_panic_of_the_body_undoes_everything() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let (node, first) = (abide.clone(), a.clone());
    let panicked = tokio::spawn(async move {
        node.transaction::<(), _, _>(&[&first], |tx| async move {
            tx.object::<Counter>("a").increment(5).await?;
            std::panic::resume_unwind(Box::new("on purpose"))
        })
        .await
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(counts(&a, &b).await, (100, 0));
}

#[tokio::test]
async fn a_transaction_that_takes_too_long_is_undone_and_lets_go() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let late: Result<()> = abide
        .transaction(&[&a, &b], |tx| async move {
            tx.object::<Counter>("a").increment(5).await?;
            std::future::pending().await
        })
        .timeout("50ms")
        .await;
    let error = late.unwrap_err();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Deadline, false));
    assert_eq!(counts(&a, &b).await, (100, 0));
}

#[tokio::test]
async fn a_transaction_nobody_polls_any_more_loses_its_objects_at_its_deadline() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let (stuck, held) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let transaction = abide
        .transaction(&[&a, &b], |tx| {
            let (stuck, held) = (&stuck, &held);
            async move {
                tx.object::<Counter>("a").increment(5).await?;
                held.notify_one();
                stuck.notified().await;
                Ok(())
            }
        })
        .timeout("50ms")
        .into_future();
    let mut transaction = Box::pin(transaction);
    tokio::select! {
        _ = &mut transaction => panic!("it is stuck"),
        () = held.notified() => {}
    }
    assert_eq!(counts(&a, &b).await, (100, 0), "others go on although nobody polls it");
    stuck.notify_one();
    let error = transaction.await.unwrap_err();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Deadline, false));
    assert_eq!(counts(&a, &b).await, (100, 0));
}

#[tokio::test]
async fn a_dropped_transaction_is_undone_at_once() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let held = tokio::sync::Notify::new();
    {
        let transaction = abide.transaction::<(), _, _>(&[&a, &b], |tx| {
            let held = &held;
            async move {
                tx.object::<Counter>("a").increment(5).await?;
                held.notify_one();
                std::future::pending().await
            }
        });
        tokio::select! {
            _ = transaction.into_future() => panic!("it never ends"),
            () = held.notified() => {}
        }
    }
    assert_eq!(counts(&a, &b).await, (100, 0));
}

#[tokio::test]
async fn others_wait_while_an_object_is_held_and_see_all_or_nothing() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let (node, first, second) = (abide.clone(), a.clone(), b.clone());
    let held = Arc::new(tokio::sync::Notify::new());
    let told = held.clone();
    let transaction = tokio::spawn(async move {
        node.transaction(&[&first, &second], |tx| {
            let (first, second) = (first.within(&tx), second.within(&tx));
            async move {
                first.take(40).await?;
                told.notify_one();
                tokio::time::sleep(Duration::from_millis(50)).await;
                second.increment(40).await
            }
        })
        .await
    });
    held.notified().await;
    let shown = a.peek().await.unwrap().unwrap();
    assert_eq!((shown.state.count, shown.seq.number()), (100, 1), "what is undecided is not shown");
    assert_eq!(counts(&a, &b).await, (60, 40), "calls wait");
    assert_eq!(transaction.await.unwrap().unwrap(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transfers_that_cross_each_other_neither_lock_up_nor_lose_anything() {
    let abide = memory().await;
    let counters: Vec<CounterRef> = (0..6).map(|n| abide.object::<Counter>(&format!("c{n}"))).collect();
    for counter in &counters {
        counter.increment(1_000).await.unwrap();
    }
    let tasks: Vec<_> = (0..8usize)
        .map(|task| {
            let (abide, counters) = (abide.clone(), counters.clone());
            tokio::spawn(async move {
                for n in 0..50usize {
                    let (from, to) = (&counters[(task + n) % 6], &counters[(task * 5 + n * 3 + 1) % 6]);
                    transfer(&abide, from, to, 3).await.unwrap();
                    to.increment(0).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut sum = 0;
    for counter in &counters {
        sum += counter.get().await.unwrap();
    }
    assert_eq!(sum, 6_000);
}

#[tokio::test]
async fn a_transaction_with_a_key_takes_effect_once_and_answers_the_same() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let ran = AtomicUsize::new(0);
    for objects in [[&a, &b], [&b, &a]] {
        let objects = objects.map(|object| object as &dyn abide::HasKey);
        let left: i64 = abide
            .transaction(&objects, |tx| {
                let (a, b, ran) = (&a, &b, &ran);
                async move {
                    ran.fetch_add(1, Ordering::SeqCst);
                    let left = a.within(&tx).take(30).await?;
                    b.within(&tx).increment(30).await?;
                    Ok(left)
                }
            })
            .key("order-7")
            .await
            .unwrap();
        assert_eq!(left, 70);
        abide.evict_idle();
    }
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    assert_eq!(counts(&a, &b).await, (70, 30));
    let other = abide.transaction(&[&a], |_| async { Ok(1) }).key("order-7").await;
    assert_eq!(other.unwrap_err().code(), Code::Conflict, "the key belongs to other objects");
}

#[tokio::test]
async fn a_keyed_transaction_that_failed_leaves_no_trace_and_can_be_made_again() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    for amount in [500, 30] {
        let done = abide
            .transaction(&[&a, &b], |tx| {
                let (a, b) = (&a, &b);
                async move {
                    b.within(&tx).increment(amount).await?;
                    a.within(&tx).take(amount).await
                }
            })
            .key("order-8")
            .await;
        assert_eq!(done.is_ok(), amount == 30);
    }
    assert_eq!(counts(&a, &b).await, (70, 30));
}

#[tokio::test]
async fn hooks_alarms_messages_and_deletes_are_a_part_of_it() {
    let abide = memory().await;
    let (one, other) = (abide.object::<Diary>("one"), abide.object::<Diary>("other"));
    other.note("old".into()).await.unwrap();
    let reader = abide.object::<Diary>("reader");
    for fails in [true, false] {
        let done = abide
            .transaction(&[&one, &other], |tx| {
                let (one, other) = (one.within(&tx), other.within(&tx));
                async move {
                    one.note("first".into()).await?;
                    assert_eq!(one.notes().await?, (true, vec!["first".to_owned()]));
                    one.remind().await?;
                    assert_eq!(one.alarms().await?, 1, "a turn sees what the one before set");
                    other.burn().await?;
                    assert_eq!(other.note("no".into()).await.unwrap_err().code(), Code::Conflict);
                    if fails { Err(Error::rejected("not today")) } else { Ok(()) }
                }
            })
            .await;
        assert_eq!(done.is_err(), fails);
        if fails {
            tokio::time::sleep(Duration::from_millis(120)).await;
            assert_eq!(one.notes().await.unwrap(), (false, vec![]), "no alarm rang");
            assert_eq!(one.alarms().await.unwrap(), 0);
            assert_eq!(other.notes().await.unwrap().1, ["old"]);
            assert_eq!(reader.notes().await.unwrap(), (false, vec![]), "no message left");
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(one.notes().await.unwrap().1, ["first", "rang"]);
    assert_eq!(reader.notes().await.unwrap().1, ["sent"]);
    assert!(other.peek().await.unwrap().is_none());
}

#[tokio::test]
async fn each_turn_of_a_transaction_is_a_change_of_its_own() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let mut changes = a.changes(After::Now).await.unwrap();
    abide
        .transaction(&[&a, &b], |tx| async move {
            let a = tx.object::<Counter>("a");
            a.increment(1).await?;
            a.increment(2).await?;
            tx.object::<Counter>("b").increment(1).await
        })
        .await
        .unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        if let Update::Change(record) = changes.next().await.unwrap().unwrap() {
            seen.push((record.seq.number(), record.decode().unwrap().patch["count"].as_i64().unwrap()));
        }
    }
    assert_eq!(seen, [(2, 101), (3, 103)]);
}

#[tokio::test]
async fn a_call_past_the_transaction_to_what_it_holds_is_a_deadlock_at_once() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let diary = abide.object::<Diary>("d");
    abide
        .transaction(&[&a, &b, &diary], |tx| {
            let (a, diary) = (&a, diary.within(&tx));
            async move {
                let error = a.get().await.unwrap_err();
                assert_eq!(error.code(), Code::Deadlock, "{error}");
                assert!(error.detail().contains("within"), "{error}");
                let error = diary.call_back("b".into()).await.unwrap_err();
                assert_eq!(error.code(), Code::Deadlock, "{error}");
                diary.call_back("z".into()).await
            }
        })
        .await
        .unwrap();
    assert_eq!(abide.object::<Counter>("z").get().await.unwrap(), 1);
}

#[tokio::test]
async fn a_turn_can_make_a_transaction_of_others_but_not_of_itself() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let diary = abide.object::<Diary>("me");
    diary.share(("a".into(), "b".into()), 30).await.unwrap();
    assert_eq!(counts(&a, &b).await, (70, 30));
    let error = diary.share(("a".into(), "b".into()), 300).await.unwrap_err();
    assert_eq!(error.rejection::<TooLow>(), Some(TooLow { missing: 230 }));
    assert_eq!(diary.with_myself().await.unwrap_err().code(), Code::Deadlock);
    assert_eq!(diary.notes().await.unwrap().1, ["sharing 30"]);
}

#[tokio::test]
async fn what_cannot_be_in_a_transaction_is_refused_by_name() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let fleeting = abide.object::<Fleeting>("f");
    let error = abide.transaction(&[&a, &fleeting], |_| async { Ok(()) }).await.unwrap_err();
    assert_eq!(error.code(), Code::BadRequest);
    assert!(error.detail().contains("Fleeting is never durable"), "{error}");
    let error = abide.transaction(&[], |_| async { Ok(()) }).await.unwrap_err();
    assert!(error.detail().contains("1 to 64"), "{error}");
    let many: Vec<_> = (0..65).map(|n| abide.object::<Counter>(&n.to_string())).collect();
    let many: Vec<&dyn abide::HasKey> = many.iter().map(|one| one as &dyn abide::HasKey).collect();
    let error = abide.transaction(&many, |_| async { Ok(()) }).await.unwrap_err();
    assert!(error.detail().contains("this one 65"), "{error}");
    let leaked = abide
        .transaction(&[&a], |tx| {
            let (a, b) = (&a, &b);
            async move {
                let error = b.within(&tx).increment(1).await.unwrap_err();
                assert!(error.detail().contains("not among the objects"), "{error}");
                let error = a.within(&tx).increment(1).key("k").await.unwrap_err();
                assert!(error.detail().contains("give the key to the transaction"), "{error}");
                assert_eq!(a.within(&tx).delete().await.unwrap_err().code(), Code::BadRequest);
                Ok(a.within(&tx))
            }
        })
        .await
        .unwrap();
    let error = leaked.increment(1).await.unwrap_err();
    assert!(error.detail().contains("the transaction is over"), "{error}");
}

#[tokio::test]
async fn a_transaction_that_only_reads_sees_one_moment_and_writes_nothing() {
    let abide = memory().await;
    let (a, b) = two(&abide).await;
    let sum = abide
        .transaction(&[&a, &b], |tx| async move {
            Ok(tx.object::<Counter>("a").get().await? + tx.object::<Counter>("b").get().await?)
        })
        .await
        .unwrap();
    assert_eq!(sum, 100);
    let (a, b) = (abide.object::<Counter>("a"), abide.object::<Counter>("b"));
    assert_eq!(a.increment(1).reply().await.unwrap().seq.number(), 2);
    assert!(b.peek().await.unwrap().is_none());
}
