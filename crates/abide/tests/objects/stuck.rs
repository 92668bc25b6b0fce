//! A message that cannot be delivered holds up only later ones of the same sender to the same receiver.

use std::time::Duration;

use abide::{prelude::*, testing};

use super::messages::Box;

#[derive(State, Default)]
pub struct Letters {
    sent: u64,
}

#[derive(State, Default)]
pub struct Slow {
    read: Vec<i64>,
}

#[object]
impl Slow {
    /// Takes what it gets, but takes its time.
    #[handler]
    pub async fn read(&mut self, n: i64) {
        tokio::time::sleep(Duration::from_secs(10)).await;
        self.read.push(n);
    }
}

#[object]
impl Letters {
    /// To a handler that no program has.
    #[handler]
    pub fn write_to_nobody(&mut self, ctx: &mut Context, count: u64) -> Result<()> {
        self.sent += count;
        (0..count).try_for_each(|n| ctx.send("Box", "dead", "no_such_handler", json!({ "n": n })))
    }

    #[handler]
    pub fn write_to_slow(&mut self, ctx: &mut Context, count: i64) -> Result<()> {
        self.sent += 1;
        (0..count).try_for_each(|n| ctx.object::<Slow>("slow").read(n).send(ctx))
    }

    #[handler]
    pub fn write_to_each(&mut self, ctx: &mut Context, to: Vec<String>, n: i64) -> Result<()> {
        self.sent += 1;
        to.iter().try_for_each(|to| ctx.object::<Box>(to).put(n).send(ctx))
    }
}

/// Long enough for anything that is tried again to be tried several times.
const A_WHILE: Duration = Duration::from_secs(40);

#[test]
fn one_that_nobody_takes_holds_up_none_between_others_however_little_fits_into_memory() {
    for limit in [2, 3, 50] {
        testing::run(|world| async move {
            let world = world.register::<Box>().register::<Letters>();
            let world = world.configure(|options| options.messages_in_memory = limit).start().await;
            world.object::<Letters>("a").write_to_nobody(1).await.unwrap();
            tokio::time::sleep(A_WHILE).await;
            for from in 0..6 {
                world.object::<Box>("x").send_all("y".into(), from * 20, 20).await.unwrap();
                world.object::<Box>("z").send_all("w".into(), from * 20, 20).await.unwrap();
            }
            tokio::time::sleep(A_WHILE).await;
            for to in ["y", "w"] {
                assert_eq!(world.object::<Box>(to).got().await.unwrap(), (0..120).collect::<Vec<_>>(), "{limit}");
            }
            assert_eq!(world.messages().len(), 1, "only the one that nobody takes is left");
        });
    }
}

#[test]
fn many_that_nobody_takes_make_room_for_others_and_keep_their_order() {
    testing::run(|world| async move {
        let world = world.register::<Box>().register::<Letters>();
        let world = world.configure(|options| options.messages_in_memory = 20).start().await;
        for sender in ["a", "b", "c"] {
            world.object::<Letters>(sender).write_to_nobody(50).await.unwrap();
        }
        tokio::time::sleep(A_WHILE).await;
        world.object::<Box>("x").send_all("y".into(), 0, 500).await.unwrap();
        world.object::<Letters>("a").write_to_each(vec!["y".into(), "w".into()], 500).await.unwrap();
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(world.object::<Box>("w").got().await.unwrap(), [500]);
        let got = world.object::<Box>("y").got().await.unwrap();
        let (others, own): (Vec<_>, Vec<_>) = got.into_iter().partition(|n| *n == 500);
        assert_eq!((others, own), (vec![500], (0..500).collect()));
        assert_eq!(world.messages().len(), 150);
    });
}

#[test]
fn many_senders_to_one_that_takes_nothing_leave_room_for_others_also_after_a_restart() {
    testing::run(|world| async move {
        let world = world.register::<Box>().register::<Letters>();
        let world = world.configure(|options| options.messages_in_memory = 10).start().await;
        for sender in 0..12 {
            world.object::<Letters>(&format!("a{sender}")).write_to_nobody(2).await.unwrap();
        }
        for from in 0..2 {
            tokio::time::sleep(A_WHILE).await;
            world.object::<Box>("x").send_all("y".into(), from * 40, 40).await.unwrap();
            tokio::time::sleep(A_WHILE).await;
            assert_eq!(world.object::<Box>("y").got().await.unwrap(), (0..from * 40 + 40).collect::<Vec<_>>());
            assert_eq!(world.messages().len(), 24);
            world.crash_and_restart().await;
        }
    });
}

#[test]
fn many_to_one_that_takes_them_slowly_leave_room_for_others_and_keep_their_order() {
    testing::run(|world| async move {
        let world = world.register::<Box>().register::<Letters>().register::<Slow>();
        let world = world.configure(|options| options.messages_in_memory = 10).start().await;
        world.object::<Letters>("a").write_to_slow(60).await.unwrap();
        for from in 0..5 {
            tokio::time::sleep(Duration::from_secs(7)).await;
            world.object::<Box>("x").send_all("y".into(), from * 20, 20).await.unwrap();
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert_eq!(world.object::<Box>("y").got().await.unwrap(), (0..from * 20 + 20).collect::<Vec<_>>());
        }
        assert!(world.messages().len() > 40, "the slow one has taken few meanwhile");
        tokio::time::sleep(Duration::from_secs(900)).await;
        assert_eq!(world.state::<Slow>("slow").unwrap().read, (0..60).collect::<Vec<_>>());
        assert!(world.messages().is_empty());
    });
}

#[test]
fn a_long_backlog_behind_one_that_nobody_takes_does_not_make_others_wait_for_its_reading() {
    testing::run(|world| async move {
        let world = world.register::<Box>().register::<Letters>().start().await;
        for _ in 0..2 {
            world.object::<Letters>("a").write_to_nobody(10_000).await.unwrap();
        }
        // A reading of all of them takes four seconds.
        world.set_faults(testing::Faults { delay_ms: 100..=100, ..testing::Faults::none() });
        let (sender, receiver) = (world.object::<Letters>("x"), world.object::<Box>("y"));
        for n in 0..60 {
            sender.write_to_each(vec!["y".into()], n).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2500)).await;
            let got = receiver.got().await.unwrap().len() as i64;
            assert!(n < 20 || got > n, "{n} waits, {got} have arrived");
        }
        world.set_faults(testing::Faults::none());
        world.object::<Letters>("a").write_to_each(vec!["y".into()], 60).await.unwrap();
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(receiver.got().await.unwrap(), (0..61).collect::<Vec<_>>());
    });
}

#[test]
fn a_receiver_that_comes_back_gets_all_in_order() {
    testing::run(|world| async move {
        let world = world.register::<Box>().register::<Letters>();
        let world = world.configure(|options| options.messages_in_memory = 10).start().await;
        let closed = world.object::<Box>("closed");
        closed.close(true).await.unwrap();
        for from in 0..5 {
            world.object::<Box>("x").send_all("closed".into(), from * 8, 8).await.unwrap();
            tokio::time::sleep(A_WHILE).await;
            world.object::<Box>("x").send_all("open".into(), from * 8, 8).await.unwrap();
            tokio::time::sleep(A_WHILE).await;
            assert_eq!(world.object::<Box>("open").got().await.unwrap().len() as i64, from * 8 + 8);
        }
        closed.close(false).await.unwrap();
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(closed.got().await.unwrap(), (0..40).collect::<Vec<_>>());
        world.object::<Box>("x").send_all("closed".into(), 40, 8).await.unwrap();
        world.settle().await;
        assert_eq!(closed.got().await.unwrap(), (0..48).collect::<Vec<_>>());
        assert!(world.messages().is_empty());
    });
}
