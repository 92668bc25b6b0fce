//! Clients: they call, retry, give up, and write down what they heard.

use std::{sync::Arc, time::Duration};

use abide_node::Object;
use tokio::time::{sleep, timeout};

use super::{
    kinds::{Failure, Ledger},
    records::{Book, attempt},
    scene::{Ask, Scene},
};
use crate::{
    check::{
        Outcome,
        linearizability::{CallId, CounterOp},
    },
    dice::Dice,
    world::Up,
};

/// One client with its own randomness.
pub(crate) struct Client {
    pub(crate) scene: Arc<Scene>,
    pub(crate) number: u64,
    pub(crate) dice: Dice,
}

/// How long a call waits for its answer, in milliseconds.
const TIMEOUTS_MS: [u64; 4] = [40, 400, 2_000, 8_000];
/// Amounts are few, so that unknown calls are interchangeable to the checker.
const AMOUNTS: [i64; 2] = [1, 2];

impl Client {
    /// Makes all its operations, one after the other.
    pub(crate) async fn live(mut self) {
        for _ in 0..self.scene.plan.operations {
            let pause = self.dice.below(self.scene.plan.pause_ms);
            sleep(Duration::from_millis(pause)).await;
            let Some(up) = self.node().await else { continue };
            self.act(&up).await;
        }
    }

    async fn act(&mut self, up: &Arc<Up>) {
        let book = *self.dice.pick(&Book::ALL);
        match self.dice.below(100) {
            0..20 => self.add(up, book).await,
            20..34 => self.add_with_key(book).await,
            34..46 => self.read(up, book).await,
            46..50 => self.read_snapshot(up, book).await,
            50..54 => self.set(up, book).await,
            54..58 => self.add_slowly(up, book).await,
            58..64 => self.burst(up, book).await,
            64..68 => self.fail(up, book).await,
            68..71 => self.relay(up, book).await,
            71..78 => self.set_alarm(up, book).await,
            78..80 => self.cancel_alarm(up, book).await,
            80..86 => self.remind(up, book).await,
            86..92 => self.send(up, book).await,
            92..94 => self.flash(up).await,
            94..96 => self.linger(up, book).await,
            _ => self.scratch(up).await,
        }
    }

    /// The node to call: usually the one that serves, sometimes one that has been replaced.
    pub(super) async fn node(&mut self) -> Option<Arc<Up>> {
        let zombie = self.scene.zombies.lock().first().cloned();
        if let Some(zombie) = zombie.filter(|_| self.dice.chance(0.4)) {
            return Some(zombie);
        }
        timeout(Duration::from_secs(5), self.scene.host.when_up()).await.ok()
    }

    pub(super) fn timeout_ms(&mut self) -> u64 {
        *self.dice.pick(&TIMEOUTS_MS)
    }

    pub(super) fn token(&self) -> u64 {
        self.scene.records.lock().token()
    }

    async fn add(&mut self, up: &Arc<Up>, book: Book) {
        let (token, amount, timeout_ms) = (self.token(), *self.dice.pick(&AMOUNTS), self.timeout_ms());
        if book.kind == Ledger::KIND && self.dice.chance(0.5) {
            return self.add_typed(up, book, token, amount, timeout_ms).await;
        }
        self.change(up, book, CounterOp::Add(amount), token, "add", (token, amount), timeout_ms).await;
    }

    /// As `add`, through the typed handle, which does not write its arguments as JSON.
    async fn add_typed(&mut self, up: &Arc<Up>, book: Book, token: u64, amount: i64, timeout_ms: u64) {
        let call = self.begin(book, CounterOp::Add(amount));
        let handle = up.node.object::<Ledger>(book.id);
        let name = format!("{book}.add({token}, {amount}) typed");
        self.scene.trace.line(format_args!("client {}: node {}: {name}", self.number, up.number));
        let typed = handle.add(token, amount).timeout(Duration::from_millis(timeout_ms));
        let outcome = self.scene.hear(self.number, up, &name, typed).await;
        self.end(book, call, token, outcome);
    }

    async fn set(&mut self, up: &Arc<Up>, book: Book) {
        let (token, value, timeout_ms) = (self.token(), *self.dice.pick(&[0, 100]), self.timeout_ms());
        self.change(up, book, CounterOp::Set(value), token, "set", (token, value), timeout_ms).await;
    }

    async fn add_slowly(&mut self, up: &Arc<Up>, book: Book) {
        let (token, amount, timeout_ms) = (self.token(), *self.dice.pick(&AMOUNTS), self.timeout_ms());
        let ms = self.dice.below(100);
        self.change(up, book, CounterOp::Add(amount), token, "add_slowly", (token, amount, ms), timeout_ms).await;
    }

    /// A call without a key that changes the counter.
    #[expect(clippy::too_many_arguments, reason = "the parts of one call")]
    async fn change<A: serde::Serialize + std::fmt::Debug>(
        &self,
        up: &Arc<Up>,
        book: Book,
        op: CounterOp,
        token: u64,
        handler: &str,
        args: A,
        timeout_ms: u64,
    ) {
        let call = self.begin(book, op);
        let ask = Ask { kind: book.kind, id: book.id, handler, args, timeout_ms, key: None };
        let outcome = self.scene.ask::<i64, _>(self.number, up, ask).await;
        self.end(book, call, token, outcome);
    }

    fn begin(&self, book: Book, op: CounterOp) -> CallId {
        let now_ns = self.scene.now_ns();
        self.scene.records.lock().book(book).history.called(self.number, op, now_ns)
    }

    fn end(&self, book: Book, call: CallId, token: u64, outcome: Outcome<i64>) {
        let now_ns = self.scene.now_ns();
        let mut records = self.scene.records.lock();
        let record = records.book(book);
        record.attempts.push(attempt(self.number, None, token, &outcome, now_ns));
        record.ended(call, outcome, now_ns);
    }

    /// Several calls at once, on one object.
    async fn burst(&mut self, up: &Arc<Up>, book: Book) {
        let count = self.dice.within(2..=5);
        let calls: Vec<(u64, i64, u64)> =
            (0..count).map(|_| (self.token(), *self.dice.pick(&AMOUNTS), self.timeout_ms())).collect();
        let this = &*self;
        let calls = calls.into_iter().map(|(token, amount, timeout_ms)| {
            this.change(up, book, CounterOp::Add(amount), token, "add", (token, amount), timeout_ms)
        });
        futures_util::future::join_all(calls).await;
    }

    /// A call with a key, tried until it is answered or the client has had enough; sometimes once more.
    async fn add_with_key(&mut self, book: Book) {
        let (token, amount) = (self.token(), *self.dice.pick(&AMOUNTS));
        let key = format!("k{token}");
        let call = self.begin(book, CounterOp::Add(amount));
        let mut heard = Outcome::Failed;
        let mut answered = false;
        for _ in 0..self.dice.within(1..=4) {
            let Some(up) = self.node().await else { break };
            let timeout_ms = self.timeout_ms();
            let args = (token, amount);
            let ask = Ask { kind: book.kind, id: book.id, handler: "add", args, timeout_ms, key: Some(&key) };
            let outcome = self.scene.ask::<i64, _>(self.number, &up, ask).await;
            let now_ns = self.scene.now_ns();
            let tried = attempt(self.number, Some(&key), token, &outcome, now_ns);
            self.scene.records.lock().book(book).attempts.push(tried);
            if outcome.is_acknowledged() {
                if !std::mem::replace(&mut answered, true) {
                    self.scene.records.lock().book(book).ended(call, outcome, now_ns);
                }
                if self.dice.chance(0.8) {
                    return;
                }
            } else if outcome == Outcome::Unknown {
                heard = Outcome::Unknown;
            }
            let pause = self.dice.below(300);
            sleep(Duration::from_millis(pause)).await;
        }
        if !answered {
            let now_ns = self.scene.now_ns();
            self.scene.records.lock().book(book).ended(call, heard, now_ns);
        }
    }

    async fn read(&mut self, up: &Arc<Up>, book: Book) {
        let timeout_ms = self.timeout_ms();
        let call = self.begin(book, CounterOp::Get);
        let outcome = if self.dice.chance(0.3) {
            let args = [self.dice.below(100)];
            let ask = Ask { kind: book.kind, id: book.id, handler: "get_slowly", args, timeout_ms, key: None };
            self.scene.ask(self.number, up, ask).await
        } else {
            let ask = Ask { kind: book.kind, id: book.id, handler: "get", args: (), timeout_ms, key: None };
            self.scene.ask(self.number, up, ask).await
        };
        self.end_read(up, book, call, outcome);
    }

    async fn read_snapshot(&mut self, up: &Arc<Up>, book: Book) {
        let call = self.begin(book, CounterOp::Get);
        let key = book.key();
        let read = async {
            let found = up.node.snapshot(&key).await?;
            Ok(found.map_or(0, |found| found.state.value()["count"].as_i64().unwrap_or(i64::MIN)))
        };
        let outcome = self.scene.hear(self.number, up, &format!("{book} snapshot"), Box::pin(read)).await;
        self.end_read(up, book, call, outcome);
    }

    /// What a replaced node reads from its memory is not held against it: proving that memory is
    /// current takes a lease, which one node alone does not have.
    fn end_read(&self, up: &Arc<Up>, book: Book, call: CallId, outcome: Outcome<i64>) {
        let outcome = if up.is_replaced() { Outcome::Unknown } else { outcome };
        let now_ns = self.scene.now_ns();
        self.scene.records.lock().book(book).ended(call, outcome, now_ns);
    }

    async fn fail(&mut self, up: &Arc<Up>, book: Book) {
        let how = *self.dice.pick(&[Failure::Refusal, Failure::Panic]);
        let (token, timeout_ms) = (self.token(), self.timeout_ms());
        let key = self.dice.chance(0.5).then(|| format!("k{token}"));
        let ask =
            Ask { kind: book.kind, id: book.id, handler: "fail", args: (token, how), timeout_ms, key: key.as_deref() };
        // Whatever the caller hears: a handler that fails leaves nothing behind.
        self.scene.ask::<i64, _>(self.number, up, ask).await;
        let now_ns = self.scene.now_ns();
        let failed = attempt::<i64>(self.number, key.as_deref(), token, &Outcome::Failed, now_ns);
        self.scene.records.lock().book(book).attempts.push(failed);
    }

    /// A call through another object of the kind. Only its success says something of the target.
    async fn relay(&mut self, up: &Arc<Up>, through: Book) {
        let id = *self.dice.pick(&through.siblings());
        let target = Book { kind: through.kind, id };
        let (token, amount, timeout_ms) = (self.token(), *self.dice.pick(&AMOUNTS), self.timeout_ms());
        let call = self.begin(target, CounterOp::Add(amount));
        let args = (id, token, amount);
        let ask = Ask { kind: through.kind, id: through.id, handler: "relay", args, timeout_ms, key: None };
        let outcome = match self.scene.ask(self.number, up, ask).await {
            Outcome::Ok(answer) => Outcome::Ok(answer),
            Outcome::Failed | Outcome::Unknown => Outcome::Unknown,
        };
        self.end(target, call, token, outcome);
    }
}
