//! A typed call under way.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use abide_core::{Error, Result, port::BoxFuture};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    activation::Here,
    call::{Call, GRACE, late},
    handle::{Handle, Spot},
    job::Reply,
    object::{Handler, Object},
};

/// The answer to a typed call: what `counter.increment(5).await` waits for.
///
/// If the object is idle, in memory, and its handler never waits, the first poll runs it right here;
/// otherwise a task of the node does. Dropping it does not stop a turn that has begun.
pub struct Answer<O: Object, H: Handler<O>>(State<O, H>);

enum State<O: Object, H: Handler<O>> {
    Start(Option<Call<O, H>>),
    Gate(Gate<O, H>),
    Slow(BoxFuture<'static, Result<Reply<H::Output>>>),
}

/// It has run; its commit is on its way.
struct Gate<O: Object, H: Handler<O>> {
    answer: oneshot::Receiver<Result<Reply<H::Output>>>,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    handle: Handle<O>,
}

// Nothing in it is pinned in place: the futures it holds are boxed.
impl<O: Object, H: Handler<O>> Unpin for Answer<O, H> {}

impl<O: Object, H: Handler<O>> Answer<O, H> {
    pub(crate) fn new(call: Call<O, H>) -> Self {
        Self(State::Start(Some(call)))
    }

    /// The answer with the seq it reflects.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply<H::Output>>> {
        loop {
            match &mut self.0 {
                State::Slow(future) => return future.as_mut().poll(cx),
                State::Gate(gate) => return gate.poll(cx),
                State::Start(call) => {
                    // A caller whose calls are all answered at once must let others run now and then.
                    ready!(pin!(tokio::task::consume_budget()).poll(cx));
                    let Some(call) = call.take() else {
                        return Poll::Ready(Err(Error::internal("BUG: a call was polled after its answer")));
                    };
                    match begin(call) {
                        Begun::Answered(reply) => return Poll::Ready(reply),
                        Begun::Gate(gate) => self.0 = State::Gate(gate),
                        Begun::Slow(future) => self.0 = State::Slow(future),
                    }
                }
            }
        }
    }
}

enum Begun<O: Object, H: Handler<O>> {
    Answered(Result<Reply<H::Output>>),
    Gate(Gate<O, H>),
    Slow(BoxFuture<'static, Result<Reply<H::Output>>>),
}

fn begin<O: Object, H: Handler<O>>(call: Call<O, H>) -> Begun<O, H> {
    let here = match &**call.handle.spot() {
        Spot::Here(place) if call.may_run_here(place) => place.node.run_here::<O, H>(place, call.args, &call.options),
        Spot::Here(_) => Err(call.args),
        Spot::There(_) => return Begun::Slow(Box::pin(call.over_connection())),
        Spot::Nowhere(error) => return Begun::Answered(Err(error.clone())),
    };
    match here {
        Ok(Here::Answered(reply)) => Begun::Answered(reply),
        Ok(Here::Waits(answer)) => {
            let deadline = Instant::now() + call.options.timeout.unwrap_or(call.handle.call_timeout()) + GRACE;
            Begun::Gate(Gate { answer, deadline, timer: None, handle: call.handle })
        }
        Err(args) => {
            let call = Call { handle: call.handle, args, options: call.options };
            Begun::Slow(Box::pin(call.submit()))
        }
    }
}

impl<O: Object, H: Handler<O>> Gate<O, H> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply<H::Output>>> {
        if let Poll::Ready(answer) = Pin::new(&mut self.answer).poll(cx) {
            let lost = |_| Err(Error::internal("BUG: a call was dropped without an answer").maybe_applied(true));
            return Poll::Ready(answer.unwrap_or_else(lost));
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(self.handle.place().map_or_else(|error| error, |place| late(&place.key, H::NAME))))
    }
}

impl<O: Object, H: Handler<O>> Future for Answer<O, H> {
    type Output = Result<H::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_reply(cx).map_ok(|reply| reply.value)
    }
}

/// As [`Answer`], with the seq that the answer reflects.
pub(crate) struct WithSeq<O: Object, H: Handler<O>>(pub(crate) Answer<O, H>);

impl<O: Object, H: Handler<O>> Future for WithSeq<O, H> {
    type Output = Result<Reply<H::Output>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_reply(cx)
    }
}
