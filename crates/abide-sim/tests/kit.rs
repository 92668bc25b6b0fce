//! The test kit, used as programs use it.

#![allow(
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    reason = "tests read the clock and spawn; handlers own their arguments"
)]

use std::time::{Duration, Instant};

use abide_core::{Code, Timestamp};
use abide_macros::{State, object};
use abide_node::{After, Context, Object, Update};
use abide_sim::kit::{self, Fate, Faults, InFlight, TestWorld, WorldBuilder};

#[derive(State, Default)]
#[state(crate = abide_node)]
struct Diary {
    entries: Vec<String>,
    times: Vec<Timestamp>,
    ticks: u32,
}

#[object(crate = abide_node)]
impl Diary {
    #[handler]
    fn write(&mut self, ctx: &mut Context, entry: String) -> usize {
        self.entries.push(entry);
        self.times.push(ctx.now());
        self.entries.len()
    }

    #[handler]
    fn remind(&mut self, ctx: &mut Context, name: String, after: String) {
        ctx.alarm(format!("ring:{name}")).payload(name).after(&*after);
    }

    #[handler]
    fn remind_daily(&mut self, ctx: &mut Context) {
        ctx.alarm("ring:daily").payload("daily").every("24h");
    }

    #[handler]
    fn copy_to(&mut self, ctx: &mut Context, other: String) -> Result<(), abide_core::Error> {
        let entries = self.entries.clone();
        entries.into_iter().try_for_each(|entry| ctx.send(Self::KIND, &other, "write", [entry]))
    }

    #[handler]
    fn tick(&mut self, ctx: &mut Context) {
        ctx.timer_every("ticked", Duration::from_secs(1));
    }

    #[alarm]
    fn ring(&mut self, ctx: &mut Context, name: String) {
        self.entries.push(name);
        self.times.push(ctx.now());
    }

    #[alarm]
    fn ticked(&mut self) {
        self.ticks += 1;
    }
}

async fn begin(world: WorldBuilder) -> TestWorld {
    world.register::<Diary>().start().await
}

fn entries(world: &TestWorld, id: &str) -> Vec<String> {
    world.state::<Diary>(id).map_or_else(Vec::new, |diary| diary.entries)
}

#[test]
fn alarms_fire_on_the_way_at_their_time_and_in_order() {
    kit::run(|world| async {
        let world = begin(world).await;
        let diary = world.object::<Diary>("a");
        let start = world.now();
        diary.remind("later".into(), "50m".into()).await.unwrap();
        diary.remind("sooner".into(), "10m".into()).await.unwrap();
        world.advance("49m").await;
        assert_eq!(entries(&world, "a"), ["sooner"]);
        world.advance("1m").await;
        assert_eq!(entries(&world, "a"), ["sooner", "later"]);
        let times = world.state::<Diary>("a").unwrap().times;
        assert_eq!(times[0].since(start), Duration::from_secs(600));
        assert_eq!(times[1].since(start), Duration::from_secs(3_000));
        assert_eq!(world.now().since(start), Duration::from_secs(3_000));
    });
}

#[test]
fn a_month_passes_in_moments_and_every_day_of_it_is_lived() {
    let started = Instant::now();
    kit::run(|world| async {
        let world = begin(world).await;
        world.object::<Diary>("a").remind_daily().await.unwrap();
        world.advance("30d").await;
        assert_eq!(entries(&world, "a").len(), 30);
    });
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn time_goes_to_the_next_alarm_when_asked() {
    kit::run(|world| async {
        let world = begin(world).await;
        assert!(world.advance_to_next_alarm().await.is_none());
        world.object::<Diary>("a").remind("once".into(), "3h".into()).await.unwrap();
        assert_eq!(world.alarms::<Diary>("a").len(), 1);
        let fired = world.advance_to_next_alarm().await.unwrap();
        assert_eq!(&*fired.alarm.name, "ring:once");
        assert_eq!(entries(&world, "a"), ["once"]);
        assert!(world.alarms::<Diary>("a").is_empty());
    });
}

#[test]
fn acknowledged_entries_survive_a_crash_and_what_was_on_its_way_does_not() {
    kit::run(|world| async {
        let world = begin(world).await;
        world.object::<Diary>("a").write("kept".into()).await.unwrap();
        world.set_faults(Faults { delay_ms: 100..=100, ..Faults::none() });
        let diary = world.object::<Diary>("a");
        let lost = tokio::time::timeout(Duration::from_millis(10), diary.write("lost".into()).into_future());
        assert!(lost.await.is_err(), "the commit takes longer than that");
        world.crash();
        world.store_back();
        world.start().await;
        assert_eq!(entries(&world, "a"), ["kept"]);
        assert_eq!(world.object::<Diary>("a").write("next".into()).await.unwrap(), 2);
    });
}

#[test]
fn a_commit_on_its_way_may_also_arrive_although_the_node_is_gone() {
    kit::run(|world| async {
        let world = begin(world).await;
        world.set_faults(Faults { delay_ms: 100..=100, ..Faults::none() });
        let diary = world.object::<Diary>("a");
        let unheard =
            tokio::time::timeout(Duration::from_millis(250), diary.write("heard by nobody".into()).into_future());
        assert!(unheard.await.is_err());
        world.crash_with(InFlight::Applied(1));
        world.store_back();
        world.start().await;
        assert_eq!(entries(&world, "a"), ["heard by nobody"]);
    });
}

#[test]
fn alarms_missed_while_the_node_was_down_fire_after_the_restart() {
    kit::run(|world| async {
        let world = begin(world).await;
        world.object::<Diary>("a").remind("late".into(), "10s".into()).await.unwrap();
        world.crash();
        world.advance("5m").await;
        assert!(entries(&world, "a").is_empty());
        world.start().await;
        world.advance("1s").await;
        assert_eq!(entries(&world, "a"), ["late"]);
    });
}

#[test]
fn messages_are_delivered_when_the_world_has_settled() {
    kit::run(|world| async {
        let world = begin(world).await;
        let diary = world.object::<Diary>("a");
        diary.write("one".into()).await.unwrap();
        diary.write("two".into()).await.unwrap();
        diary.copy_to("b".into()).await.unwrap();
        world.settle().await;
        assert_eq!(entries(&world, "b"), ["one", "two"]);
        assert!(world.messages().is_empty());
    });
}

#[test]
fn messages_wait_while_the_store_is_away() {
    kit::run(|world| async {
        let world = begin(world).await;
        let diary = world.object::<Diary>("a");
        diary.write("one".into()).await.unwrap();
        world.next_commits([Fate::Done, Fate::Refused]);
        diary.copy_to("b".into()).await.unwrap();
        world.store_away();
        world.advance("1m").await;
        assert_eq!(world.messages().len(), 1);
        world.store_back();
        world.advance("1m").await;
        assert_eq!(entries(&world, "b"), ["one"]);
    });
}

#[test]
fn faults_reach_the_caller_as_they_would_in_earnest() {
    kit::run(|world| async {
        let world = begin(world).await;
        let diary = world.object::<Diary>("a");
        world.next_commits([Fate::Full]);
        let full = diary.write("no".into()).await.unwrap_err();
        assert_eq!((full.code(), full.is_maybe_applied()), (Code::Unavailable, false));
        world.next_commits([Fate::UnknownApplied]);
        assert_eq!(diary.write("read back and found".into()).await.unwrap(), 1);
        assert!(world.store_faults().is_empty());
    });
}

#[test]
fn changes_and_watchers_can_be_looked_at() {
    kit::run(|world| async {
        let world = begin(world).await;
        let diary = world.object::<Diary>("a");
        let mut watch = diary.changes(After::Now).await.unwrap();
        diary.write("one".into()).await.unwrap();
        assert!(matches!(watch.next().await, Some(Ok(Update::Change(change))) if change.seq.number() == 1));
        let changes = world.changes::<Diary>("a");
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].cause.handler, "write");
        assert_eq!(changes[0].patch["entries"], serde_json::json!(["one"]));
    });
}

#[test]
fn timers_in_memory_tick_while_time_passes() {
    kit::run(|world| async {
        let world = begin(world).await;
        world.object::<Diary>("a").tick().await.unwrap();
        world.advance("10s").await;
        assert_eq!(world.state::<Diary>("a").unwrap().ticks, 10);
    });
}

#[test]
fn a_clean_shutdown_leaves_everything_in_the_store() {
    kit::run(|world| async {
        let world = begin(world).await;
        world.object::<Diary>("a").write("one".into()).await.unwrap();
        world.shutdown().await.unwrap();
        world.start().await;
        assert_eq!(world.object::<Diary>("a").write("two".into()).await.unwrap(), 2);
    });
}

#[test]
fn a_kind_registered_twice_is_reported_with_its_name() {
    let panic = std::panic::catch_unwind(|| {
        kit::run(|world| async { world.register::<Diary>().register::<Diary>().start().await.seed() })
    });
    let text = panic.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("kind Diary is registered twice"), "{text}");
}

#[test]
fn every_seed_has_its_own_randomness_and_the_same_one_again() {
    let draw = |seed| kit::run_seed(seed, |world| async { begin(world).await.dice(|dice| dice.number()) });
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}
