//! One turn: admission, the handler, and then `finish`.

use std::sync::Arc;

use abide_core::{Encoded, Error, Unknown, error::Code, port::store::Outcome};
use tokio::time::{Instant, timeout_at};

use super::{Activation, Answer, Live, deliver::out_of_time};
use crate::{
    context::{Context, Limit, Owner, Scope},
    job::{AnyObject, CallKey, Envelope, HandlerInfo, Origin, Target},
    node::NodeCore,
    object::{Access, Hook, Running},
};

/// How many readers that wait may run inside one object, whatever versions of it they hold. Further ones are
/// refused.
const READERS_MAX: u16 = 256;

impl NodeCore {
    pub(crate) fn context(&self, owner: Owner, envelope: &Envelope, attempt: u32) -> Context {
        let scope = Scope {
            owner,
            deadline: Limit::At(envelope.deadline),
            principal: envelope.principal.clone(),
            chain: envelope.chain.clone(),
        };
        Context::new(scope, Some(self.clock.now()), attempt)
    }

    /// A turn whose handler never waits, run to its end on this task.
    pub(super) fn turn_now(self: &Arc<Self>, activation: &Arc<Activation>, live: &mut Box<Live>, envelope: Envelope) {
        let Some((mut envelope, attempt)) = self.admit(activation, envelope) else {
            return;
        };
        if let Some(refusal) = activation.may_not_be_made(&envelope) {
            return envelope.job.release(Err(refusal));
        }
        let mut ctx = self.context(Owner::Activation(activation.clone()), &envelope, attempt);
        let ran = match envelope.info.access {
            Access::Shared => at_once(envelope.job.run(Target::Shared(&*live.object), &mut ctx)),
            Access::Exclusive => live
                .exclusive(activation)
                .and_then(|object| at_once(envelope.job.run(Target::Exclusive(object), &mut ctx))),
        };
        ctx.broken_off |= envelope.job.has_panicked();
        self.finish(activation, live, envelope, ctx, ran);
    }

    /// A turn that may wait. Gives the decoded object back unless it has to be decoded afresh.
    pub(super) async fn turn(
        self: &Arc<Self>,
        activation: &Arc<Activation>,
        live: Option<Box<Live>>,
        envelope: Envelope,
    ) -> Option<Box<Live>> {
        let Some((mut envelope, attempt)) = self.admit(activation, envelope) else {
            return live;
        };
        if let Origin::Transaction(claim) = &envelope.origin {
            return self.lend(activation, live, claim, envelope.deadline).await;
        }
        if matches!(envelope.origin, Origin::Foreign(_)) {
            return self.take_in(activation, live, envelope).await;
        }
        match self.look_up(activation, envelope.call_key.as_deref(), &envelope.origin).await {
            Ok(Seen::Nothing) => {}
            Ok(Seen::Before(answer)) => {
                activation.hold_again(envelope.job, answer);
                return live;
            }
            Err(error) => {
                envelope.turn_away(error);
                return live;
            }
        }
        // Not before the look: a call that took effect before, and deleted its object, is answered as then.
        if let Some(refusal) = activation.may_not_be_made(&envelope) {
            envelope.job.release(Err(refusal));
            return live;
        }
        let mut live = match live.map_or_else(|| activation.revive(), Ok) {
            Ok(live) => live,
            Err(error) => {
                self.finish_undecoded(activation, envelope, error);
                return None;
            }
        };
        if envelope.info.access == Access::Shared {
            return self.read(activation, live, envelope);
        }
        activation.refresh(&live);
        let mut ctx = self.context(Owner::Activation(activation.clone()), &envelope, attempt);
        let deadline = envelope.deadline;
        let ran = match live.exclusive(activation) {
            Ok(object) => {
                let turn = run_exclusive(activation, object, &mut envelope, &mut ctx);
                let ran = timeout_at(deadline, turn).await;
                ran.unwrap_or_else(|_| {
                    ctx.broken_off = true;
                    Err(out_of_time(&activation.key, envelope.info.name))
                })
            }
            Err(error) => Err(error),
        };
        self.finish(activation, &mut live, envelope, ctx, ran);
        live.sound()
    }

    /// Runs a reader: at once if it never waits, else beside the turns that follow, on this version.
    fn read(
        self: &Arc<Self>,
        activation: &Arc<Activation>,
        mut live: Box<Live>,
        mut envelope: Envelope,
    ) -> Option<Box<Live>> {
        let mut ctx = self.context(Owner::Activation(activation.clone()), &envelope, 0);
        let reading = (!envelope.info.sync).then(|| Reading::begin(activation)).flatten();
        let Some(reading) = reading else {
            let ran = match envelope.job.run(Target::Shared(&*live.object), &mut ctx) {
                Running::Done(result) => result,
                Running::Waiting(_) => Err(Error::new(
                    Code::Overloaded,
                    format!("{READERS_MAX} readers hold {} already; nothing was changed; try again", activation.key),
                )),
            };
            self.finish(activation, &mut live, envelope, ctx, ran);
            return Some(live);
        };
        let (object, seen) = (live.object.clone(), activation.seen());
        let activation = activation.clone();
        self.tasks.spawn(async move {
            let ran = match envelope.job.run(Target::Shared(&*object), &mut ctx) {
                Running::Done(result) => result,
                Running::Waiting(future) => match timeout_at(envelope.deadline, future).await {
                    Ok(result) => result,
                    Err(_) => Err(out_of_time(&activation.key, envelope.info.name)),
                },
            };
            drop((object, reading));
            envelope.measure(ran.as_ref().err());
            activation.hold(seen.0, seen.1, envelope.job, ran.err());
        });
        Some(live)
    }

    /// Turns away what need not or must not run any more.
    fn admit(&self, activation: &Activation, envelope: Envelope) -> Option<(Envelope, u32)> {
        match &envelope.origin {
            Origin::Call if envelope.call_key.is_none() && envelope.job.is_abandoned() => {
                return None;
            }
            Origin::Alarm { name, token } => {
                let attempt = activation.alarm_attempt(name, *token);
                if attempt.is_none() {
                    activation.hold_now(envelope.job, None);
                    return None;
                }
                return attempt.map(|attempt| (envelope, attempt));
            }
            Origin::Call | Origin::Message(_) | Origin::Transaction(_) | Origin::Foreign(_) | Origin::Node(_) => {}
        }
        if Instant::now() >= envelope.deadline {
            let detail = format!(
                "{} was too busy to run {} in time; nothing was changed; try again, or give it more time",
                activation.key, envelope.info.name
            );
            envelope.job.release(Err(Error::new(Code::Deadline, detail)));
            return None;
        }
        Some((envelope, 0))
    }

    /// Looks whether this call or message took effect before.
    pub(super) async fn look_up(
        &self,
        activation: &Activation,
        call_key: Option<&CallKey>,
        origin: &Origin,
    ) -> Result<Seen, Error> {
        if self.options.mutant(crate::options::Mutant::NoDedupe) {
            return Ok(Seen::Nothing);
        }
        if let Some(call_key) = call_key {
            let found = match activation.outcome(call_key) {
                Some(outcome) => Some(outcome),
                None if activation.kind.is_durable() => {
                    let now = self.clock.now();
                    self.store.outcome(&activation.key, &call_key.caller, &call_key.key, now).await?
                }
                None => None,
            };
            let Some(outcome) = found else {
                return Ok(Seen::Nothing);
            };
            if outcome.fingerprint != call_key.fingerprint {
                let detail = format!(
                    "idempotency key {:?} was used before for another handler or other arguments; nothing was changed; \
                     use a fresh key for a new call",
                    call_key.key
                );
                return Err(Error::new(Code::Conflict, detail));
            }
            return Ok(Seen::Before(Some(outcome)));
        }
        if let Origin::Message(id) = origin {
            let last = match activation.received(&id.sender) {
                Some(last) => last,
                None if activation.kind.is_durable() => self.store.received(&activation.key, &id.sender).await?,
                None => 0,
            };
            if id.n <= last {
                return Ok(Seen::Before(None));
            }
        }
        Ok(Seen::Nothing)
    }
}

/// Takes over the fields that are not stored, unless a reader still holds the object that has them.
pub(super) fn keep_unstored(object: &mut Arc<dyn AnyObject>, from: &mut Arc<dyn AnyObject>) {
    if let (Some(object), Some(from)) = (Arc::get_mut(object), Arc::get_mut(from)) {
        object.keep_unstored(from);
    }
}

/// One of the readers that run beside an object's turns.
struct Reading(Arc<Activation>);

impl Reading {
    /// Another one, if there may be one more.
    fn begin(activation: &Arc<Activation>) -> Option<Self> {
        let mut cell = activation.cell.lock();
        if cell.readers >= READERS_MAX {
            return None;
        }
        cell.readers += 1;
        Some(Self(activation.clone()))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.cell.lock().readers -= 1;
    }
}

/// The result of a handler that never waits.
fn at_once(running: Running<'_, ()>) -> Result<(), Error> {
    match running {
        Running::Done(result) => result,
        Running::Waiting(_) => Err(Error::internal("BUG: a handler that never waits wants to wait")),
    }
}

/// Whether a call took effect before, with the stored outcome of a keyed call.
pub(super) enum Seen {
    Nothing,
    Before(Option<Outcome>),
}

/// The handler, preceded by `on_create` or `on_delete` where one is due, or followed by `on_delete` if it
/// deletes its object.
pub(super) async fn run_exclusive(
    activation: &Activation,
    object: &mut dyn AnyObject,
    envelope: &mut Envelope,
    ctx: &mut Context,
) -> Result<(), Error> {
    let hook = match envelope.origin {
        Origin::Node(crate::job::Purpose::Delete) if !activation.is_absent() => activation.kind.hook(Hook::Delete),
        Origin::Node(crate::job::Purpose::Disconnect) if !activation.is_absent() => {
            ctx.effects.delete = true;
            activation.kind.hook(Hook::Disconnect)
        }
        Origin::Node(crate::job::Purpose::Connect) if !activation.is_absent() => None,
        Origin::Node(purpose) if purpose != crate::job::Purpose::Connect => None,
        _ if activation.is_absent() => activation.kind.hook(Hook::Create),
        _ => None,
    };
    if let Some(hook) = hook {
        run_hook(hook, object, ctx).await?;
    }
    if matches!(envelope.origin, Origin::Node(crate::job::Purpose::Connect))
        && let Some(hook) = activation.kind.hook(Hook::Connect)
    {
        run_hook(hook, object, ctx).await?;
    }
    run_job(&mut *envelope.job, object, ctx).await?;
    let deletes_itself = ctx.effects.delete
        && !matches!(envelope.origin, Origin::Node(crate::job::Purpose::Delete))
        && !ctx.scope.node().options.mutant(crate::options::Mutant::DeleteUnnoticed);
    match activation.kind.hook(Hook::Delete).filter(|_| deletes_itself) {
        Some(hook) => run_hook(hook, object, ctx).await,
        None => Ok(()),
    }
}

pub(super) async fn run_hook(hook: &HandlerInfo, object: &mut dyn AnyObject, ctx: &mut Context) -> Result<(), Error> {
    let mut job = (hook.make)("null", crate::job::Sink::Callback(Box::new(|_| {})))?;
    run_job(&mut *job, object, ctx).await
}

async fn run_job(job: &mut dyn crate::job::Job, object: &mut dyn AnyObject, ctx: &mut Context) -> Result<(), Error> {
    let ran = match job.run(Target::Exclusive(object), ctx) {
        Running::Done(result) => result,
        Running::Waiting(future) => future.await,
    };
    ctx.broken_off |= job.has_panicked();
    ran
}

impl Live {
    /// The object to change: this version if nobody reads it, else a copy of it.
    pub(super) fn exclusive(&mut self, activation: &Activation) -> Result<&mut dyn AnyObject, Error> {
        if Arc::get_mut(&mut self.object).is_none() {
            self.object = activation.decode(&self.encoded, activation.is_absent())?.0;
        }
        match Arc::get_mut(&mut self.object) {
            Some(object) => Ok(object),
            None => Err(Error::internal("BUG: a fresh object is shared")),
        }
    }

    /// Goes back to what the object was before the turn that failed.
    ///
    /// Nobody knows what fields that are not stored were before. They stay as the turn left them if it came to
    /// its end; one that was broken off may have left them in the middle of something.
    pub(super) fn roll_back(&mut self, activation: &Activation, absent: bool, broken_off: bool) -> Result<(), Error> {
        let (mut object, unknown) = activation.decode(&self.encoded, absent)?;
        if !absent && !broken_off {
            keep_unstored(&mut object, &mut self.object);
        }
        (self.object, self.unknown) = (object, unknown);
        Ok(())
    }
}

impl Activation {
    /// Decodes the object from its encoded state.
    pub(super) fn revive(&self) -> Result<Box<Live>, Error> {
        let (state, version) = {
            let cell = self.cell.lock();
            (cell.state.clone(), cell.version)
        };
        let Some(state) = state else {
            return Ok(Box::new(Live::fresh(&self.kind)?));
        };
        let (object, unknown) = self.kind.decode(&state, version)?;
        let encoded =
            Encoded::parse(&state).map_err(|e| Error::internal(format!("the stored state is damaged: {e}")))?;
        Ok(Box::new(Live { object, unknown, encoded, spoilt: false }))
    }

    fn decode(&self, encoded: &Encoded, absent: bool) -> Result<(Arc<dyn AnyObject>, Unknown), Error> {
        if absent {
            return Ok((self.kind.create()?, Unknown::default()));
        }
        let version = self.cell.lock().version;
        self.kind.decode(&encoded.json(), version)
    }

    /// Brings a volatile object's state up to date before a turn that may take long.
    pub(super) fn refresh(&self, live: &Live) {
        let mut cell = self.cell.lock();
        if cell.stale {
            cell.state = Some(live.encoded.json());
            cell.stale = false;
        }
    }

    /// Why the turn must not run, if it would make the object for a caller who may not.
    fn may_not_be_made(&self, envelope: &Envelope) -> Option<Error> {
        let changes = envelope.existing && envelope.info.access == Access::Exclusive;
        (changes && !self.kind.options.stateless && self.is_absent()).then(|| {
            let detail = format!("there is no {}, and the caller may not create it; nothing was changed", self.key);
            Error::new(Code::Denied, detail)
        })
    }

    pub(super) fn is_absent(&self) -> bool {
        !self.cell.lock().exists
    }

    /// The commits and the seq that an answer given now reflects.
    pub(super) fn seen(&self) -> (u64, abide_core::Seq) {
        let cell = self.cell.lock();
        (cell.issued, cell.head)
    }

    /// How often the alarm failed before; `None` if it was cancelled, replaced or has fired.
    fn alarm_attempt(&self, name: &str, token: u64) -> Option<u32> {
        let cell = self.cell.lock();
        let alarm = cell.alarms().iter().find(|a| &*a.name == name && a.token == token && a.dead.is_none())?;
        Some(alarm.attempt)
    }

    fn outcome(&self, call_key: &CallKey) -> Option<Outcome> {
        let cell = self.cell.lock();
        let id = (call_key.caller.clone(), call_key.key.clone());
        cell.extras.as_ref()?.outcomes.get(&id).map(|(_, outcome)| outcome.clone())
    }

    fn received(&self, sender: &abide_core::Key) -> Option<u64> {
        let cell = self.cell.lock();
        cell.extras.as_ref()?.received.get(sender).map(|(n, _)| *n)
    }

    /// Answers a call that took effect before, once that effect is durable.
    fn hold_again(&self, job: Box<dyn crate::job::Job>, outcome: Option<Outcome>) {
        match outcome {
            Some(outcome) => {
                let (number, seq) = self.seen();
                self.hold_answer(number, seq, Answer::Stored(job, outcome));
            }
            None => self.hold_now(job, None),
        }
    }
}

impl Envelope {
    /// Records how the call went.
    pub(super) fn measure(&self, error: Option<&Error>) {
        if let (Some(metrics), Some(started)) = (&self.info.metrics, self.received_at) {
            metrics.call(error, started.elapsed());
        }
    }
}
