//! What users write runs outside of handlers, too: `Serialize`, `Deserialize`, `Default`, `migrate`. It may panic,
//! or write what cannot be read; that ends a turn and nothing else.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use abide::{Code, prelude::*, testing};
use serde::{Deserializer, Serializer, de, ser};

/// A number, some of which are unlucky.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Number(i64);

const PANICS_WHEN_READ: i64 = 13;
const PANICS_WHEN_WRITTEN: i64 = 14;
const NOT_WRITTEN: i64 = 15;
const NOT_READ: i64 = 16;
const NOT_READ_FOR_NOW: i64 = 17;

static FOR_NOW: AtomicBool = AtomicBool::new(false);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            PANICS_WHEN_WRITTEN => panic!("written, as planned"),
            NOT_WRITTEN => Err(ser::Error::custom("it is not written")),
            number => serializer.serialize_i64(number),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            PANICS_WHEN_READ => panic!("read, as planned"),
            NOT_READ => Err(de::Error::custom("it is not read")),
            NOT_READ_FOR_NOW if FOR_NOW.load(Ordering::SeqCst) => Err(de::Error::custom("it is not read for now")),
            number => Ok(Self(number)),
        }
    }
}

#[derive(State, Default)]
pub struct Glass {
    number: Number,
    turns: i64,
}

#[object]
impl Glass {
    #[handler]
    pub fn hold(&mut self, number: i64) -> i64 {
        self.number = Number(number);
        self.turns += 1;
        self.turns
    }

    #[handler]
    pub fn answer(&mut self, number: i64) -> Number {
        self.turns += 1;
        Number(number)
    }

    #[handler]
    pub async fn answer_later(&mut self, number: i64) -> Number {
        tokio::task::yield_now().await;
        self.answer(number)
    }

    #[handler]
    pub fn show(&self, number: i64) -> Number {
        Number(number)
    }

    #[handler]
    pub async fn show_later(&self, number: i64) -> Number {
        tokio::task::yield_now().await;
        Number(number)
    }

    #[handler]
    pub fn pairs(&mut self) -> BTreeMap<(i32, i32), i64> {
        self.turns += 1;
        BTreeMap::from([((1, 2), self.turns)])
    }

    #[handler]
    pub fn take(&mut self, number: Number) -> i64 {
        self.turns += number.0;
        self.turns
    }

    #[handler]
    pub fn fail(&mut self) -> Result<()> {
        self.turns += 1000;
        Err(Error::rejected("no"))
    }

    #[handler]
    pub fn turns(&self) -> i64 {
        self.turns
    }

    #[handler]
    pub fn send(&mut self, ctx: &mut Context, to: String, number: i64) -> Result<()> {
        ctx.send("Glass", &to, "take", json!({ "number": number }))
    }

    #[handler]
    pub fn wake(&mut self, ctx: &mut Context) {
        ctx.alarm("ring").after("1m");
    }

    #[alarm]
    fn ring(&mut self) {
        self.turns += 1;
    }
}

/// The answer, which has to come at once.
async fn soon<T>(call: impl IntoFuture<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(Duration::from_secs(10), call.into_future()).await.expect("it answers")
}

#[test]
fn an_answer_that_cannot_be_written_is_the_turns_own_error_and_nothing_is_changed() {
    testing::run(|world| async move {
        let world = world.register::<Glass>().start().await;
        let glass = world.object::<Glass>("a");
        glass.hold(1).await.unwrap();
        let calls = [
            ("answer", PANICS_WHEN_WRITTEN),
            ("answer", NOT_WRITTEN),
            ("answer_later", PANICS_WHEN_WRITTEN),
            ("answer_later", NOT_WRITTEN),
            ("show", PANICS_WHEN_WRITTEN),
            ("show_later", PANICS_WHEN_WRITTEN),
            ("show_later", NOT_WRITTEN),
        ];
        for (handler, number) in calls {
            let args = json!({ "number": number });
            let error = soon(world.call::<serde_json::Value>("Glass", "a", handler, args)).await.unwrap_err();
            assert_eq!(
                (error.code(), error.is_maybe_applied()),
                (Code::Internal, false),
                "{handler} {number}: {error}"
            );
            assert_eq!(soon(glass.turns()).await.unwrap(), 1, "{handler} {number}");
        }
        let error = soon(world.call::<serde_json::Value>("Glass", "a", "pairs", json!({}))).await.unwrap_err();
        assert_eq!((error.code(), error.is_maybe_applied()), (Code::Internal, false), "{error}");
        assert_eq!(soon(glass.hold(2)).await.unwrap(), 2, "other turns go on");
        assert_eq!(soon(world.object::<Glass>("b").hold(2)).await.unwrap(), 1, "so do other objects");
        assert_eq!(soon(glass.pairs()).await.unwrap()[&(1, 2)], 3, "without a key nothing is written");
    });
}

#[test]
fn a_key_protects_also_where_the_answer_cannot_be_written() {
    testing::run(|world| async move {
        let world = world.register::<Glass>().start().await;
        let glass = world.object::<Glass>("a");
        for _ in 0..2 {
            let error = soon(glass.pairs().key("k")).await.unwrap_err();
            assert_eq!((error.code(), error.is_maybe_applied()), (Code::Internal, false), "{error}");
            let error = soon(glass.answer(PANICS_WHEN_WRITTEN).key("l")).await.unwrap_err();
            assert_eq!(error.code(), Code::Internal);
            assert_eq!(glass.turns().await.unwrap(), 0);
        }
        assert_eq!(glass.answer(PANICS_WHEN_READ).await.unwrap(), Number(PANICS_WHEN_READ));
        // The first answer is never written or read; the stored one is.
        assert_eq!(glass.answer(PANICS_WHEN_READ).key("m").await.unwrap(), Number(PANICS_WHEN_READ));
        assert_eq!(soon(glass.answer(PANICS_WHEN_READ).key("m")).await.unwrap_err().code(), Code::Internal);
        assert_eq!(glass.turns().await.unwrap(), 2);
    });
}

#[test]
fn a_state_that_cannot_be_written_or_read_ends_its_turn_and_no_other() {
    testing::run(|world| async move {
        let world = world.register::<Glass>().start().await;
        let glass = world.object::<Glass>("a");
        assert_eq!(glass.hold(1).await.unwrap(), 1);
        for number in [PANICS_WHEN_WRITTEN, NOT_WRITTEN] {
            assert_eq!(soon(glass.hold(number)).await.unwrap_err().code(), Code::Internal);
        }
        assert_eq!(soon(glass.hold(2)).await.unwrap(), 2);
        glass.wake().await.unwrap();
        glass.hold(PANICS_WHEN_READ).await.unwrap();
        world.crash_and_restart().await;
        let glass = world.object::<Glass>("a");
        for _ in 0..3 {
            assert_eq!(soon(glass.turns()).await.unwrap_err().code(), Code::Internal);
        }
        world.advance("2m").await;
        let alarms = world.alarms::<Glass>("a");
        assert!(alarms[0].attempt > 0, "its alarm is put off like any that fails: {alarms:?}");
        assert_eq!(soon(world.object::<Glass>("b").hold(2)).await.unwrap(), 1);
        world.shutdown().await.unwrap();
    });
}

#[test]
fn arguments_that_panic_when_read_end_their_call_and_hold_up_no_message() {
    testing::run(|world| async move {
        let world = world.register::<Glass>().start().await;
        let args = json!({ "number": PANICS_WHEN_READ });
        let error = soon(world.call::<i64>("Glass", "a", "take", args)).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        for number in [PANICS_WHEN_READ, 1] {
            world.object::<Glass>("x").send("y".into(), number).await.unwrap();
        }
        world.advance("1h").await;
        assert_eq!(world.object::<Glass>("y").turns().await.unwrap(), 1);
        assert!(world.messages().is_empty());
    });
}

#[test]
fn a_message_waits_until_a_program_runs_that_can_read_its_receiver() {
    testing::run(|world| async move {
        let world = world.register::<Glass>().start().await;
        world.object::<Glass>("y").hold(NOT_READ_FOR_NOW).await.unwrap();
        FOR_NOW.store(true, Ordering::SeqCst);
        world.crash_and_restart().await;
        world.object::<Glass>("x").send("y".into(), 5).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(world.messages().len(), 1);
        FOR_NOW.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.object::<Glass>("y").turns().await.unwrap(), 6);
        assert!(world.messages().is_empty());
    });
}

#[derive(State, Default)]
pub struct Unmakable {
    never: Never,
}

#[derive(Serialize, Deserialize)]
pub struct Never(i64);

impl Default for Never {
    fn default() -> Self {
        panic!("made, as planned")
    }
}

#[object]
impl Unmakable {
    #[handler]
    pub fn touch(&mut self) -> i64 {
        self.never.0
    }
}

#[object(name = "UnmakableStateless", stateless)]
impl UnmakableStateless {
    #[handler]
    pub fn touch(&mut self) -> i64 {
        self.never.0
    }
}

#[derive(State, Default)]
pub struct UnmakableStateless {
    never: Never,
}

#[test]
fn an_object_that_cannot_be_made_says_so_each_time() {
    testing::run(|world| async move {
        let world = world.register::<Unmakable>().register::<UnmakableStateless>().start().await;
        for _ in 0..2 {
            assert_eq!(soon(world.object::<Unmakable>("a").touch()).await.unwrap_err().code(), Code::Internal);
            let stateless = world.object::<UnmakableStateless>("a").touch();
            assert_eq!(soon(stateless).await.unwrap_err().code(), Code::Internal);
        }
        world.shutdown().await.unwrap();
    });
}

#[derive(State, Default)]
pub struct Gauge {
    sum: f64,
    average: f64,
    perhaps: Option<f64>,
    nested: Vec<(String, Option<f64>, f32)>,
}

#[object]
impl Gauge {
    #[handler]
    pub fn divide(&mut self, sum: f64, by: u32) -> f64 {
        self.sum = sum;
        self.average = sum / f64::from(by);
        self.average
    }

    #[handler]
    pub fn nest(&mut self, by: u32) {
        self.nested.push(("one".into(), None, 1.0 / by as f32));
    }

    #[handler]
    pub fn perhaps(&mut self, sum: f64, by: u32) {
        self.perhaps = Some(sum / f64::from(by));
    }

    #[handler]
    pub fn tell(&mut self, ctx: &mut Context, to: String, by: u32) -> Result<()> {
        self.sum += 1.0;
        ctx.object::<Self>(&to).divide(1.0 / f64::from(by), 1).send(ctx)
    }

    #[handler]
    pub fn look_again(&mut self, ctx: &mut Context, by: u32) {
        self.sum += 1.0;
        ctx.alarm("again").payload(1.0 / f64::from(by)).after("1m");
    }

    #[alarm]
    fn again(&mut self, share: f64) {
        self.sum += share;
    }

    #[handler]
    pub fn announce(&mut self, ctx: &mut Context, by: u32) {
        self.sum += 1.0;
        ctx.emit("shared", 1.0 / f64::from(by));
    }

    #[handler]
    pub fn share(&mut self, by: u32) -> f64 {
        self.sum += 1.0;
        1.0 / f64::from(by)
    }

    #[handler]
    pub fn average(&self) -> (f64, f64, usize) {
        (self.sum, self.average, self.nested.len())
    }
}

#[test]
fn a_number_that_json_does_not_have_is_refused_before_it_is_stored() {
    testing::run(|world| async move {
        let world = world.register::<Gauge>().start().await;
        let gauge = world.object::<Gauge>("a");
        gauge.divide(6.0, 3).await.unwrap();
        gauge.nest(1).await.unwrap();
        for _ in 0..2 {
            let error = soon(gauge.divide(0.0, 0)).await.unwrap_err();
            assert_eq!(error.code(), Code::Internal, "{error}");
            assert!(error.detail().contains("rolled back"), "{error}");
            assert_eq!(soon(gauge.nest(0)).await.unwrap_err().code(), Code::Internal);
            assert_eq!(gauge.average().await.unwrap(), (6.0, 2.0, 1));
        }
        gauge.perhaps(0.0, 0).await.expect("what reads back is stored");
        world.crash_and_restart().await;
        assert_eq!(world.object::<Gauge>("a").average().await.unwrap(), (6.0, 2.0, 1));
    });
}

#[test]
fn a_number_that_json_does_not_have_is_in_no_message_alarm_or_kept_answer() {
    testing::run(|world| async move {
        let world = world.register::<Gauge>().start().await;
        let gauge = world.object::<Gauge>("a");
        for _ in 0..2 {
            let told = soon(gauge.tell("b".into(), 0)).await.unwrap_err();
            assert!(told.detail().contains("not finite"), "{told}");
            let set = soon(gauge.look_again(0)).await.unwrap_err();
            assert_eq!(set.code(), Code::Internal, "{set}");
            let announced = soon(gauge.announce(0)).await.unwrap_err();
            assert!(announced.detail().contains("not finite"), "{announced}");
            let kept = soon(gauge.share(0).key("k")).await.unwrap_err();
            assert!(kept.detail().contains("not finite") && kept.detail().contains("nothing was changed"), "{kept}");
            assert_eq!(gauge.average().await.unwrap().0, 0.0, "nothing was changed");
        }
        assert!(world.messages().is_empty() && world.alarms::<Gauge>("a").is_empty());
        gauge.tell("b".into(), 2).await.unwrap();
        gauge.look_again(2).await.unwrap();
        assert_eq!(gauge.share(2).key("l").await.unwrap(), 0.5);
        assert_eq!(gauge.share(0).await.unwrap(), f64::INFINITY, "without a key nothing is written");
        world.advance("2m").await;
        assert_eq!(world.object::<Gauge>("b").average().await.unwrap().0, 0.5);
        assert_eq!(gauge.average().await.unwrap().0, 4.5);
    });
}

#[test]
fn a_turn_that_fails_and_cannot_be_taken_back_leaves_nothing_behind() {
    testing::run(|world| async move {
        let world = world.register::<Glass>().start().await;
        let glass = world.object::<Glass>("a");
        glass.hold(NOT_READ).await.unwrap();
        assert_eq!(glass.fail().await.unwrap_err().code(), Code::Rejected);
        for _ in 0..2 {
            assert_eq!(soon(glass.hold(2)).await.unwrap_err().code(), Code::Internal, "it says that it is unreadable");
        }
        assert_eq!(
            world
                .state_json(&abide::Key::new(&Default::default(), &abide::Kind::new("Glass").unwrap(), "a").unwrap())
                .unwrap()
                .value()["turns"],
            1
        );
    });
}
