//! The shortest way: an idle object, a handler that never waits, and the caller's own task.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use abide_core::{ChangeRecord, Error, Patch};
use tokio::sync::oneshot;

use super::{Activation, Cell, Live, Phase};
use crate::{
    blocking::busy,
    call::CallOptions,
    change::ChangeText,
    context::{Context, Limit, Owner, Scope},
    handle::Place,
    job::{Envelope, HandlerJob, HandlerMeta, Origin, Reply, Sink, panicked},
    node::NodeCore,
    object::{Access, Borrowed, Handler, Object, Running},
};

/// How often a caller looks again at an object that is running before it queues, and how long it
/// leaves the object alone in between: looking too often takes the memory from under the turn that runs.
const LOOKS: u32 = 5;
const PAUSE: u32 = 200;

/// What became of a call that was run here.
pub(crate) enum Here<T> {
    /// It is answered.
    Answered(Result<Reply<T>, Error>),
    /// It ran; its answer waits for its commit.
    Waits(oneshot::Receiver<Result<Reply<T>, Error>>),
}

impl NodeCore {
    /// Runs the handler on the caller's task if its object is idle and in memory; else gives the
    /// arguments back.
    pub(crate) fn run_here<O: Object, H: Handler<O>>(
        self: &Arc<Self>,
        place: &Place,
        args: H,
        options: &CallOptions,
    ) -> Result<Here<H::Output>, H> {
        let Some(activation) = place.activation() else { return Err(args) };
        let Some(mut live) = activation.borrow_idle(H::ACCESS) else { return Err(args) };
        let timeout = options.timeout.unwrap_or(self.options.call_timeout);
        let scope = Scope {
            owner: Owner::Activation(activation),
            deadline: Limit::In(timeout),
            principal: options.principal.clone(),
            chain: None,
        };
        let mut ctx = Context::new(scope, None, 0);
        let ran = run::<O, H>(&mut live, args, &mut ctx);
        match self.answer_at_once(live, &ctx, H::NAME, ran) {
            Ok(reply) => Ok(Here::Answered(reply)),
            Err((live, ran)) => Ok(Here::Waits(self.finish_here::<O, H>(live, ctx, ran))),
        }
    }

    /// A volatile object's turn without effects needs no commit, and what was read of an object whose commits are
    /// all settled waits for none: the answer can leave at once.
    fn answer_at_once<T>(
        self: &Arc<Self>,
        mut live: Box<Live>,
        ctx: &Context,
        handler: &str,
        ran: Ran<T>,
    ) -> Result<Answered<T>, (Box<Live>, Ran<T>)> {
        let Some(activation) = ctx.scope.activation() else { return Err((live, ran)) };
        let (durable, plain) = (activation.kind.is_durable(), ctx.effects.is_empty());
        let (value, patch) = match ran {
            Ran::Read(Ok(value)) if plain => (value, None),
            Ran::Changed(Ok(value)) if plain && !durable => match live.encode(&activation.kind) {
                Ok(patch) => (value, Some(patch)),
                Err(error) => return Err((live, Ran::Changed(Err(error)))),
            },
            other => return Err((live, other)),
        };
        let mut cell = activation.cell.lock();
        if durable && (cell.broken || !cell.is_settled()) {
            drop(cell);
            return Err((live, Ran::Read(Ok(value))));
        }
        if durable {
            // The commits that settled while this ran gave nothing back: the object was not idle.
            cell.trim();
        }
        let changed = patch.filter(|patch| !cell.exists || !patch.is_empty());
        if changed.is_some() {
            if !cell.exists {
                cell.exists = true;
                cell.incarnation = cell.incarnation.next();
                cell.created_at = ctx.now();
            }
            cell.head = cell.head.next();
            cell.floor = cell.head;
            cell.stale = true;
        }
        cell.last_used = self.tick();
        let seq = cell.head;
        let watched = changed.filter(|_| self.hub.is_heeded());
        if let Some(patch) = watched {
            cell.updated_at = ctx.now();
            drop(cell);
            self.publish_volatile(activation, ctx, seq, &patch, handler);
            self.after_inline(activation, live);
        } else if let Some(live) = cell.give_back(live) {
            drop(cell);
            self.after_inline(activation, live);
        }
        Ok(Ok(Reply { value, seq }))
    }

    fn publish_volatile(
        &self,
        activation: &Activation,
        ctx: &Context,
        seq: abide_core::Seq,
        patch: &Patch,
        handler: &str,
    ) {
        let at = ctx.now();
        let principal = ctx.principal().map(|p| p.subject.as_str());
        let text = ChangeText { seq, at, patch, events: &[], handler, key: None, principal, deleted: false };
        self.hub.publish(&activation.key, &[ChangeRecord { seq, at, json: text.write(), snapshot: None }]);
    }

    fn finish_here<O: Object, H: Handler<O>>(
        self: &Arc<Self>,
        mut live: Box<Live>,
        ctx: Context,
        ran: Ran<H::Output>,
    ) -> oneshot::Receiver<Result<Reply<H::Output>, Error>> {
        let (tx, rx) = oneshot::channel();
        let Some(activation) = ctx.scope.activation().cloned() else { return rx };
        let (Ran::Changed(result) | Ran::Read(result)) = ran;
        let (output, ran) = match result {
            Ok(value) => (Some(value), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let envelope = Envelope {
            job: HandlerJob::<O, H>::finished(output, Sink::Typed(tx)),
            info: HandlerMeta { name: H::NAME, access: H::ACCESS, sync: true, reentrant: H::REENTRANT, metrics: None },
            origin: Origin::Call,
            deadline: ctx.scope.deadline.at(),
            principal: ctx.scope.principal.clone(),
            chain: None,
            call_key: None,
            existing: false,
            received_at: None,
        };
        self.finish(&activation, &mut live, envelope, ctx, ran);
        self.after_inline(&activation, live);
        rx
    }
}

type Answered<T> = Result<Reply<T>, Error>;

/// What a handler returned, and whether it may have changed the object.
enum Ran<T> {
    Changed(Result<T, Error>),
    Read(Result<T, Error>),
}

fn run<O: Object, H: Handler<O>>(live: &mut Live, args: H, ctx: &mut Context) -> Ran<H::Output> {
    if H::ACCESS == Access::Shared {
        let object = live.object.as_any().downcast_ref::<O>();
        return Ran::Read(
            object.ok_or_else(wrong_type).and_then(|object| attempt(Borrowed::Shared(object), args, ctx)),
        );
    }
    let object = match ctx.scope.activation() {
        Some(activation) => live.exclusive(activation),
        None => Err(wrong_type()),
    };
    let object = object.and_then(|object| object.as_any_mut().downcast_mut::<O>().ok_or_else(wrong_type));
    Ran::Changed(object.and_then(|object| attempt(Borrowed::Exclusive(object), args, ctx)))
}

fn attempt<O: Object, H: Handler<O>>(object: Borrowed<'_, O>, args: H, ctx: &mut Context) -> Result<H::Output, Error> {
    let turn = &mut *ctx;
    let ran = std::panic::catch_unwind(AssertUnwindSafe(move || {
        let _busy = busy::<O, H>();
        match args.run(object, turn) {
            Running::Done(result) => result,
            Running::Waiting(_) => Err(Error::internal("BUG: a handler that never waits wants to wait")),
        }
    }));
    ran.unwrap_or_else(|panic: Box<dyn Any + Send>| {
        ctx.broken_off = true;
        Err(panicked(H::NAME, &*panic))
    })
}

fn wrong_type() -> Error {
    Error::internal("BUG: a job of one kind met an object of another")
}

impl Cell {
    /// Leaves the object idle if nothing waits for it; else gives the decoded object back.
    fn give_back(&mut self, live: Box<Live>) -> Option<Box<Live>> {
        if self.mailbox_len() > 0 || self.broken || self.leaving {
            return Some(live);
        }
        self.live = Some(live);
        self.phase = Phase::Idle;
        None
    }
}

impl Activation {
    /// Takes the decoded object if nobody runs it and nobody waits for it. A turn that never waits is
    /// short, so a caller that finds one looks again a few times, for some microseconds, before it gives up.
    fn borrow_idle(&self, access: Access) -> Option<Box<Live>> {
        for _ in 0..LOOKS {
            if let Some(mut cell) = self.cell.try_lock() {
                let waits = cell.broken || cell.leaving || cell.mailbox_len() > 0;
                let hooked = access == Access::Exclusive && self.has_hooks(&cell);
                if waits || hooked {
                    return None;
                }
                match cell.phase {
                    Phase::Idle => {
                        let live = cell.live.take()?;
                        cell.phase = Phase::Running;
                        cell.brief = true;
                        return Some(live);
                    }
                    Phase::Running if cell.brief => {}
                    Phase::Running | Phase::Cold | Phase::Loading | Phase::Gone => return None,
                }
            }
            for _ in 0..PAUSE {
                std::hint::spin_loop();
            }
        }
        None
    }
}
