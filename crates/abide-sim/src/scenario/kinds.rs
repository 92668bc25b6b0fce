//! The objects that live in the simulated world. Their states are records of what was done to them.

use std::time::Duration;

use abide_core::{Error, Timestamp};
use abide_macros::{State, object};
use abide_node::{Context, Object};
use serde::{Deserialize, Serialize};

use super::notes::{AlarmNote, Late, Received, Sent, who};

/// How a planned failure looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// The handler answers with an error.
    Refusal,
    /// The handler panics.
    Panic,
}

/// What an alarm carries.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Ring {
    /// Tells this setting of the alarm from every other.
    id: u64,
    /// How many times it fails first.
    fails: u32,
    /// How it fails.
    how: Failure,
}

/// Fails as planned. The panic does not go through the process's panic hook.
fn fail(how: Failure) -> Result<(), Error> {
    match how {
        Failure::Refusal => Err(Error::rejected("refused, as planned")),
        Failure::Panic => std::panic::resume_unwind(Box::new("a panic, as planned")),
    }
}

fn millis(at: Timestamp) -> i64 {
    at.as_millis()
}

/// Defines a kind of ledger: the same record with other options. One that is `counted` notes how often it
/// comes into memory and leaves it, and may have further hooks.
macro_rules! ledger {
    ($(#[$doc:meta])* $name:ident, ($($option:tt)*)) => {
        ledger!(@ $(#[$doc])* $name, ($($option)*), {});
    };
    ($(#[$doc:meta])* $name:ident, ($($option:tt)*), counted { $($hook:tt)* }) => {
        ledger!(@ $(#[$doc])* $name, ($($option)*), {
            #[hook]
            fn on_activate(&mut self) {
                self.came += 1;
            }

            #[hook]
            fn on_deactivate(&mut self) {
                self.left += 1;
            }

            $($hook)*
        });
    };
    (@ $(#[$doc:meta])* $name:ident, ($($option:tt)*), { $($hook:tt)* }) => {
        $(#[$doc])*
        #[derive(State, Default)]
        #[state(crate = abide_node)]
        pub(crate) struct $name {
            /// The sum of what was added since it was last set.
            pub(crate) count: i64,
            /// The tokens of the calls that took effect, in order.
            pub(crate) tokens: Vec<u64>,
            /// What was done with alarms, in order.
            pub(crate) alarms: Vec<AlarmNote>,
            /// The ids of reminders that fired, in order.
            pub(crate) reminded: Vec<u64>,
            /// How many messages were sent.
            pub(crate) sent: u64,
            /// The messages it sent, in order.
            pub(crate) outgoing: Vec<Sent>,
            /// The messages it applied, in order.
            pub(crate) incoming: Vec<Received>,
            /// The timers that fired, in order.
            pub(crate) late: Vec<Late>,
            /// How often it was made.
            pub(crate) made: u64,
            /// How often it came into memory.
            pub(crate) came: u64,
            /// How often it left memory.
            pub(crate) left: u64,
        }

        #[object(crate = abide_node, $($option)*)]
        impl $name {
            #[handler]
            fn add(&mut self, token: u64, amount: i64) -> i64 {
                self.tokens.push(token);
                self.count += amount;
                self.count
            }

            #[handler]
            fn set(&mut self, token: u64, value: i64) -> i64 {
                self.tokens.push(token);
                self.count = value;
                self.count
            }

            #[handler]
            fn get(&self) -> i64 {
                self.count
            }

            #[handler]
            async fn get_slowly(&self, ms: u64) -> i64 {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.count
            }

            #[handler]
            async fn add_slowly(&mut self, token: u64, amount: i64, ms: u64) -> i64 {
                self.tokens.push(token);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.count += amount;
                self.count
            }

            #[handler]
            fn fail(&mut self, ctx: &mut Context, token: u64, how: Failure) -> Result<i64, Error> {
                self.tokens.push(token);
                self.count += 1_000_000;
                ctx.alarm("ring:never").payload(Ring { id: token, fails: 0, how }).after(Duration::ZERO);
                ctx.send(Self::KIND, "a", "receive", ("nobody", token, false))?;
                fail(how).map(|()| self.count)
            }

            /// Adds on another object, holding this one meanwhile.
            #[handler]
            async fn relay(&mut self, ctx: &mut Context, to: String, token: u64, amount: i64) -> Result<i64, Error> {
                ctx.call::<i64>(Self::KIND, &to, "add", (token, amount)).await
            }

            #[handler]
            fn set_alarm(&mut self, ctx: &mut Context, name: String, id: u64, ms: u64, fails: u32, how: Failure) {
                let after = Duration::from_millis(ms);
                let due = millis(ctx.now().plus(after));
                self.alarms.push(AlarmNote::Set { at: millis(ctx.now()), name: name.clone(), id, due, who: who(ctx) });
                ctx.alarm(format!("ring:{name}")).payload(Ring { id, fails, how }).after(after);
            }

            #[handler]
            fn cancel_alarm(&mut self, ctx: &mut Context, name: String) {
                ctx.alarm(format!("ring:{name}")).cancel();
                self.alarms.push(AlarmNote::Cancelled { at: millis(ctx.now()), name });
            }

            /// Fails the first so many times.
            #[alarm]
            fn ring(&mut self, ctx: &mut Context, ring: Ring) -> Result<(), Error> {
                self.alarms.push(AlarmNote::Fired { at: millis(ctx.now()), id: ring.id, who: who(ctx) });
                if ctx.attempt() < ring.fails { fail(ring.how) } else { Ok(()) }
            }

            /// Sets an alarm and changes nothing else.
            #[handler]
            fn remind(&mut self, ctx: &mut Context, id: u64, ms: u64) {
                ctx.alarm(format!("reminder:{id}")).payload(id).after(Duration::from_millis(ms));
            }

            #[alarm]
            fn reminder(&mut self, id: u64) {
                self.reminded.push(id);
            }

            /// Sets a timer and changes nothing. Callers with a name and those without have each their own, so
            /// that one cannot be taken for the other.
            #[handler]
            fn linger(&mut self, ctx: &mut Context, ms: u64) {
                let name = if who(ctx).is_some() { "late_named" } else { "late_nameless" };
                ctx.timer(name, Duration::from_millis(ms));
            }

            #[alarm]
            fn late_named(&mut self, ctx: &mut Context) {
                self.late.push(Late { named: true, who: who(ctx) });
            }

            #[alarm]
            fn late_nameless(&mut self, ctx: &mut Context) {
                self.late.push(Late { named: false, who: who(ctx) });
            }

            /// Sends several messages at once; `refused` says which of them the receiver refuses.
            #[handler]
            fn send(&mut self, ctx: &mut Context, to: Vec<String>, refused: Vec<bool>) -> Result<(), Error> {
                let sender = ctx.key().id().to_owned();
                for (to, refused) in to.into_iter().zip(refused) {
                    self.sent += 1;
                    ctx.send(Self::KIND, &to, "receive", (&sender, self.sent, refused))?;
                    self.outgoing.push(Sent { to, n: self.sent, refused, who: who(ctx) });
                }
                Ok(())
            }

            /// Applies a message; every now and then it panics, and succeeds when it is tried again.
            #[handler]
            fn receive(&mut self, ctx: &mut Context, sender: String, n: u64, refused: bool) -> Result<(), Error> {
                use rand::RngExt;
                self.incoming.push(Received { from: sender, n, who: who(ctx) });
                if refused {
                    fail(Failure::Refusal)?;
                }
                if ctx.rng().random_ratio(1, 8) { fail(Failure::Panic) } else { Ok(()) }
            }

            $($hook)*
        }
    };
}

ledger!(
    /// Without hooks, with a short history: slow watchers are reset.
    Ledger, (history = 8)
);

ledger!(
    /// With hooks that change it, and a whole history.
    Hooked, (history = "all", hibernate_after = "1s", shutdown_after = "3s"), counted {
        #[hook]
        fn on_create(&mut self) {
            self.made += 1;
        }
    }
);

ledger!(
    /// Acknowledged before it is durable.
    Lazy, (history = 8, durability = "behind:100ms", shutdown_after = "2s"), counted {}
);

/// An object that is deleted again and again, and has each of its lives buried.
#[derive(State, Default)]
#[state(crate = abide_node)]
pub(crate) struct Scratch {
    count: i64,
    /// Tells this life of the object from every other.
    pub(crate) life: u64,
    /// How often an alarm of this life rang.
    rang: u64,
    /// How often an alarm of another life rang.
    pub(crate) ghosts: u64,
}

#[object(crate = abide_node, history = 4)]
impl Scratch {
    #[handler]
    fn add(&mut self, ctx: &mut Context, amount: i64) -> i64 {
        self.live(ctx);
        self.count += amount;
        self.count
    }

    #[handler]
    fn get(&self) -> i64 {
        self.count
    }

    /// Sets an alarm and says which life it is.
    #[handler]
    fn arm(&mut self, ctx: &mut Context, ms: u64) -> u64 {
        self.live(ctx);
        ctx.alarm("ring").payload(self.life).after(Duration::from_millis(ms));
        self.life
    }

    #[handler]
    pub(crate) fn finish(&mut self, ctx: &mut Context) {
        ctx.delete_self();
    }

    #[hook]
    fn on_delete(&mut self, ctx: &mut Context) -> Result<(), Error> {
        // One that was never made has nothing to bury.
        if self.life == 0 { Ok(()) } else { ctx.send(Graveyard::KIND, "g", "bury", [self.life]) }
    }

    #[alarm]
    fn ring(&mut self, life: u64) {
        if life == self.life {
            self.rang += 1;
        } else {
            self.ghosts += 1;
        }
    }

    fn live(&mut self, ctx: &mut Context) {
        use rand::RngExt;
        if self.life == 0 {
            self.life = ctx.rng().random::<u64>() | 1;
        }
    }
}

/// An object that deletes itself in the turn that makes it, and sends a message as it goes.
#[derive(State, Default)]
#[state(crate = abide_node)]
pub(crate) struct Flash {}

#[object(crate = abide_node)]
impl Flash {
    #[handler]
    fn flash(&mut self, ctx: &mut Context, token: u64) -> Result<(), Error> {
        ctx.delete_self();
        ctx.send(Graveyard::KIND, "g", "seen", [token])
    }
}

/// Where those who are gone are remembered.
#[derive(State, Default)]
#[state(crate = abide_node)]
pub(crate) struct Graveyard {
    /// Lives that are over, in the order in which they were buried.
    pub(crate) lives: Vec<u64>,
    /// The tokens of flashes, in order.
    pub(crate) flashes: Vec<u64>,
}

#[object(crate = abide_node)]
impl Graveyard {
    #[handler]
    fn bury(&mut self, life: u64) {
        self.lives.push(life);
    }

    #[handler]
    fn seen(&mut self, token: u64) {
        self.flashes.push(token);
    }
}

/// A balance that only transactions change: what leaves one purse arrives in another.
#[derive(State, Default)]
#[state(crate = abide_node)]
pub(crate) struct Purse {
    balance: i64,
    /// Transfers, in order: token and amount.
    pub(crate) entries: Vec<(u64, i64)>,
    pokes: u64,
}

#[object(crate = abide_node, history = "all", hibernate_after = "1s", shutdown_after = "3s")]
impl Purse {
    /// Moves an amount in, or out.
    #[handler]
    fn shift(&mut self, token: u64, amount: i64) -> Result<i64, Error> {
        self.balance += amount;
        self.entries.push((token, amount));
        if self.balance < -100 { Err(Error::rejected("too deep in debt")) } else { Ok(self.balance) }
    }

    #[handler]
    async fn balance(&self) -> i64 {
        self.balance
    }

    #[handler]
    fn poke(&mut self) {
        self.pokes += 1;
    }

    #[handler]
    fn refuse(&mut self) -> Result<(), Error> {
        fail(Failure::Refusal)
    }
}

/// An object with an alarm that repeats.
#[derive(State, Default)]
#[state(crate = abide_node)]
pub(crate) struct Metronome {
    /// When it began.
    pub(crate) anchor: i64,
    /// When it ticked.
    pub(crate) ticks: Vec<i64>,
}

#[object(crate = abide_node)]
impl Metronome {
    #[handler]
    fn begin(&mut self, ctx: &mut Context) {
        self.anchor = millis(ctx.now());
        ctx.alarm("tick").every(Duration::from_millis(Self::PERIOD_MS.unsigned_abs()));
    }

    #[alarm]
    fn tick(&mut self, ctx: &mut Context) {
        self.ticks.push(millis(ctx.now()));
    }
}

impl Metronome {
    /// How often it ticks, in milliseconds.
    pub(crate) const PERIOD_MS: i64 = 1_000;
}
