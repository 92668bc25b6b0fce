//! What typed handles need of a client.

use abide_core::{
    Json, Kind, Result, Seq,
    port::{BoxFuture, Caller, Following, Request, Told},
};

use crate::{client::Client, news::News, watch::Watch};

impl Caller for Client {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<(Json, Seq)>> {
        Box::pin(self.clone().make(request))
    }

    fn watch(&self, kind: Kind, id: String, after: Option<Seq>) -> BoxFuture<'static, Result<Box<dyn Following>>> {
        let watcher = Self::watch(self, kind.as_str(), &id);
        let watcher = match after {
            Some(seq) => watcher.after(seq),
            None => watcher.from_now(),
        };
        Box::pin(async move { Ok(Box::new(watcher.await?) as Box<dyn Following>) })
    }
}

impl Following for Watch {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Told>>> {
        Box::pin(async move {
            loop {
                match Self::next(self).await? {
                    Ok(News::Change(change)) => return Some(Ok(Told::Change(change))),
                    Ok(News::Reset { reason, seq, state }) => return Some(Ok(Told::Reset { reason, seq, state })),
                    Ok(News::Snapshot { .. } | News::Broadcast { .. } | News::Presence { .. }) => {}
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    fn seq(&self) -> Seq {
        Self::seq(self)
    }
}
