//! The limits for calls in memory: a Tokio task with a channel, and two actor libraries.

use kameo::{
    Actor,
    message::{Context, Message},
    prelude::ActorRef,
};
use ractor::{ActorProcessingErr, RpcReplyPort, call};
use tokio::sync::{mpsc, oneshot};

/// A task that owns a count; callers send it a oneshot.
#[derive(Clone)]
pub(crate) struct Task(mpsc::Sender<(i64, oneshot::Sender<i64>)>);

impl Task {
    pub(crate) fn spawn() -> Self {
        let (tx, mut rx) = mpsc::channel::<(i64, oneshot::Sender<i64>)>(1_024);
        tokio::spawn(async move {
            let mut count = 0;
            while let Some((amount, answer)) = rx.recv().await {
                count += amount;
                let _ = answer.send(count);
            }
        });
        Self(tx)
    }

    pub(crate) async fn increment(&self, amount: i64) -> i64 {
        let (answer, result) = oneshot::channel();
        self.0.send((amount, answer)).await.expect("the task runs");
        result.await.expect("the task answers")
    }
}

/// The same with kameo.
#[derive(Actor, Default)]
pub(crate) struct Kameo {
    count: i64,
}

pub(crate) struct Increment(pub(crate) i64);

impl Message<Increment> for Kameo {
    type Reply = i64;

    async fn handle(&mut self, message: Increment, _: &mut Context<Self, Self::Reply>) -> i64 {
        self.count += message.0;
        self.count
    }
}

pub(crate) async fn kameo_increment(actor: &ActorRef<Kameo>) -> i64 {
    actor.ask(Increment(1)).await.expect("the actor answers")
}

/// The same with ractor.
pub(crate) struct Ractor;

pub(crate) enum RactorMessage {
    Increment(i64, RpcReplyPort<i64>),
}

impl ractor::Actor for Ractor {
    type Msg = RactorMessage;
    type State = i64;
    type Arguments = ();

    async fn pre_start(&self, _: ractor::ActorRef<Self::Msg>, (): ()) -> Result<i64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ractor::ActorRef<Self::Msg>,
        message: Self::Msg,
        count: &mut i64,
    ) -> Result<(), ActorProcessingErr> {
        let RactorMessage::Increment(amount, answer) = message;
        *count += amount;
        let _ = answer.send(*count);
        Ok(())
    }
}

pub(crate) async fn ractor_increment(actor: &ractor::ActorRef<RactorMessage>) -> i64 {
    call!(actor, |answer| RactorMessage::Increment(1, answer)).expect("the actor answers")
}
