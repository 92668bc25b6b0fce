//! What a handler can do besides changing its object.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use abide_core::{
    Error, Event, Json, Key, Kind, Result, Timestamp,
    error::Code,
    frame::fits_broadcast,
    port::store::{Alarm, AlarmWrite},
    schedule::Schedule,
};
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    activation::Activation,
    alarm::AlarmBuilder,
    call::DynamicCall,
    clients::Recipients,
    effects::{Effects, Outgoing, Signal, TimerChange, TimerPlan, apply_alarms},
    handle::Handle,
    job::Chain,
    node::NodeCore,
    object::Object,
    principal::Principal,
    transaction::{HasKey, Transaction, TransactionCall},
};

/// A turn, seen from inside: time, randomness, and effects that happen when the turn is durable.
///
/// Effects (`alarm`, `send`, `emit`, `broadcast`, `push`, `delete_self`, `timer`) are part of the turn: if the handler
/// fails, none of them happens.
pub struct Context {
    pub(crate) scope: Scope,
    now: OnceLock<Timestamp>,
    attempt: u32,
    pub(crate) effects: Effects,
    /// The turn did not come to its end: its handler panicked, or its time was over.
    pub(crate) broken_off: bool,
    rng: Option<StdRng>,
}

/// Whose turn it is, and on whose behalf.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) owner: Owner,
    pub(crate) deadline: Limit,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) chain: Option<Arc<Chain>>,
}

/// The object whose turn it is.
#[derive(Clone)]
pub(crate) enum Owner {
    /// One with an activation.
    Activation(Arc<Activation>),
    /// A stateless one.
    Stateless(Arc<NodeCore>, Key),
}

/// When a turn must be over: a moment, or (for one that never waits) a time from whenever it is asked.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    At(Instant),
    In(Duration),
}

impl Limit {
    pub(crate) fn at(self) -> Instant {
        match self {
            Self::At(moment) => moment,
            Self::In(time) => Instant::now() + time,
        }
    }
}

impl Scope {
    pub(crate) fn node(&self) -> &Arc<NodeCore> {
        match &self.owner {
            Owner::Activation(activation) => &activation.node,
            Owner::Stateless(node, _) => node,
        }
    }

    pub(crate) fn key(&self) -> &Key {
        match &self.owner {
            Owner::Activation(activation) => &activation.key,
            Owner::Stateless(_, key) => key,
        }
    }

    pub(crate) fn activation(&self) -> Option<&Arc<Activation>> {
        match &self.owner {
            Owner::Activation(activation) => Some(activation),
            Owner::Stateless(..) => None,
        }
    }

    /// The chain of a call made from this turn.
    pub(crate) fn chain_onward(&self) -> Arc<Chain> {
        Arc::new(Chain { key: self.key().clone(), outer: self.chain.clone(), held: false })
    }
}

impl Context {
    pub(crate) fn new(scope: Scope, now: Option<Timestamp>, attempt: u32) -> Self {
        Self {
            scope,
            now: now.map_or_else(OnceLock::new, OnceLock::from),
            attempt,
            effects: Effects::default(),
            broken_off: false,
            rng: None,
        }
    }

    /// The object's own name.
    pub fn key(&self) -> &Key {
        self.scope.key()
    }

    /// The time of this turn: the same however often it is asked.
    pub fn now(&self) -> Timestamp {
        *self.now.get_or_init(|| self.scope.node().clock.now())
    }

    /// Who is calling; `None` for a call from the program itself.
    pub fn principal(&self) -> Option<&Principal> {
        self.scope.principal.as_deref()
    }

    /// How much time the turn has left.
    pub fn deadline(&self) -> Duration {
        self.scope.deadline.at().saturating_duration_since(Instant::now())
    }

    /// How often the alarm that runs this turn has failed before; 0 in any other turn.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// A tracing span that names the object, for the handler's own log lines.
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!("turn", object = %self.scope.key())
    }

    /// Randomness of this turn: reproducible in the simulator.
    pub fn rng(&mut self) -> &mut StdRng {
        let clock = &self.scope.node().clock;
        self.rng.get_or_insert_with(|| StdRng::seed_from_u64(clock.random()))
    }

    /// The typed handle of another object. Calls through it happen inside this turn: the object waits.
    pub fn object<T: Object>(&self, id: &str) -> T::Ref {
        T::Ref::from(Handle::scoped(&self.scope, id))
    }

    /// Calls a handler of another object by name and waits for the answer.
    pub fn call<R>(&self, kind: &str, id: &str, handler: &str, args: impl Serialize) -> DynamicCall<R> {
        DynamicCall::scoped(&self.scope, kind, id, handler, &args)
    }

    /// Changes several other objects together or not at all, as [`Node::transaction`](crate::Node::transaction)
    /// does, while this object waits.
    ///
    /// It is durable when it answers, whatever becomes of this turn. This object itself, and those whose
    /// turns wait for it, cannot be in it: that is answered with `deadlock`.
    pub fn transaction<'a, T, F, Fut>(&self, objects: &[&dyn HasKey], body: F) -> TransactionCall<'a, T>
    where
        F: FnOnce(Transaction) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T>> + Send + 'a,
    {
        TransactionCall::new(self.scope.node(), Some(self.scope.clone()), objects, body)
    }

    /// Sends a durable message: stored with this turn, delivered after it, in order for each receiver,
    /// applied once. For a typed message use `ctx.object::<T>(id).handler(…).send(ctx)`.
    pub fn send(&mut self, kind: &str, id: &str, handler: &str, args: impl Serialize) -> Result<()> {
        let target = Key::new(self.scope.key().namespace(), &Kind::new(kind)?, id)?;
        let args = Json::of(&args).map_err(|e| Error::bad_request(format!("the arguments are not JSON: {e}")))?;
        self.send_message(target, handler.into(), args)
    }

    pub(crate) fn send_message(&mut self, target: Key, handler: Arc<str>, args: Json) -> Result<()> {
        if !self.effects.has_room() {
            return Err(Error::new(Code::TooLarge, "this turn has too many messages; it is rolled back"));
        }
        self.effects.messages.push(Outgoing { target, handler, args });
        Ok(())
    }

    /// Emits a domain event: it travels with this turn's change. If its data cannot be written as JSON, the turn
    /// is rolled back.
    pub fn emit(&mut self, kind: impl Into<String>, data: impl Serialize) {
        let id = self.fresh_ulid();
        match Json::value_of(&data) {
            Ok(data) => self.emit_event(Event { id, kind: kind.into(), data, metadata: None }),
            Err(error) => self.fault("the data of an event", &error),
        }
    }

    /// Emits a domain event with an id and metadata of its own.
    pub fn emit_event(&mut self, event: Event) {
        if self.effects.has_room() {
            self.effects.events.push(event);
        }
    }

    /// Sends ephemeral data to everyone who watches this object, when the turn is durable: kept nowhere,
    /// not heard by those who come later. Over [`BROADCAST_BYTES_MAX`](crate::BROADCAST_BYTES_MAX) the turn is
    /// rolled back: `too_large`.
    pub fn broadcast(&mut self, data: impl Serialize) {
        self.signal(&data, Signal::Broadcast);
        let fault = match self.effects.signals.last() {
            Some(Signal::Broadcast(data)) => fits_broadcast(data).err(),
            _ => None,
        };
        if let Some(error) = fault {
            let detail = format!("{}; the turn was rolled back", error.detail());
            self.effects.fault.get_or_insert(Error::new(error.code(), detail));
        }
    }

    /// Pushes data to a client, to several or to [`Recipients::All`] of this namespace, when the turn is
    /// durable. A client that is away for a moment gets it when it is back; one that has left does not.
    pub fn push(&mut self, to: impl Into<Recipients>, data: impl Serialize) {
        let to = to.into();
        self.signal(&data, |data| Signal::Push(to, data));
    }

    fn signal(&mut self, data: &impl Serialize, signal: impl FnOnce(Json) -> Signal) {
        match Json::of(data) {
            Ok(data) if self.effects.has_room() => self.effects.signals.push(signal(data)),
            Ok(_) => {}
            Err(error) => self.fault("what is sent to clients", &error),
        }
    }

    fn fault(&mut self, what: &str, error: &serde_json::Error) {
        let detail = format!("{what} cannot be written as JSON: {error}; the turn was rolled back");
        self.effects.fault = Some(Error::internal(detail));
    }

    /// A fresh ULID, made of this turn's time.
    pub fn fresh_ulid(&self) -> String {
        let clock = &self.scope.node().clock;
        let random = u128::from(clock.random()) << 64 | u128::from(clock.random());
        let millis = u64::try_from(self.now().as_millis()).unwrap_or(0);
        ulid::Ulid::from_parts(millis, random).to_string()
    }

    /// The alarm of this name: `.after("1m")`, `.at(time)`, `.every("1h")`, `.cron("0 9 * * MON-FRI", "Europe/Berlin")`,
    /// `.cancel()`. It runs the `#[alarm]` handler of its name;
    /// several alarms share a handler as `name:one`, `name:two`.
    pub fn alarm(&mut self, name: impl Into<Arc<str>>) -> AlarmBuilder<'_> {
        AlarmBuilder::new(self, name.into())
    }

    /// The object's alarms, as this turn has left them so far.
    pub fn alarms(&self) -> Vec<Alarm> {
        let mut alarms = self.scope.activation().map_or_else(Vec::new, |a| a.alarms());
        apply_alarms(&mut alarms, &self.effects.alarms);
        alarms
    }

    pub(crate) fn set_alarm(&mut self, name: Arc<str>, due: Timestamp, schedule: Option<Schedule>, payload: Json) {
        let token = self.scope.node().clock.random() >> 1;
        if self.effects.has_room() {
            let principal = self.scope.principal.as_deref().map(Principal::kept);
            let alarm = Alarm { name, due, token, payload, attempt: 0, schedule, principal, dead: None };
            self.effects.alarms.push(AlarmWrite::Set(alarm));
        }
    }

    pub(crate) fn cancel_alarm(&mut self, name: Arc<str>) {
        if self.effects.has_room() {
            self.effects.alarms.push(AlarmWrite::Remove(name));
        }
    }

    /// Runs the `#[alarm]` handler `name` after `after`, from memory only: a restart, a crash or the
    /// object's leaving memory forgets it.
    pub fn timer(&mut self, name: &'static str, after: Duration) {
        self.change_timer(name, Some(TimerPlan { after, every: None, principal: self.scope.principal.clone() }));
    }

    /// As [`Context::timer`], again and again.
    pub fn timer_every(&mut self, name: &'static str, every: Duration) {
        let principal = self.scope.principal.clone();
        self.change_timer(name, Some(TimerPlan { after: every, every: Some(every), principal }));
    }

    /// Forgets the timer of this name.
    pub fn cancel_timer(&mut self, name: &'static str) {
        self.change_timer(name, None);
    }

    fn change_timer(&mut self, name: &'static str, set: Option<TimerPlan>) {
        self.effects.timers.push(TimerChange { name, set });
    }

    /// Deletes this object when the turn succeeds: state, alarms and history.
    pub fn delete_self(&mut self) {
        self.effects.delete = true;
    }
}
