//! What typed handles need of a client.

use abide_core::{
    Json, Kind, Result, Seq,
    port::{BoxFuture, Caller, Following, Request, Search, SearchPage, Told, store::Listed},
};

use crate::{client::Client, news::News, watch::Watch};

impl Caller for Client {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<(Json, Seq)>> {
        Box::pin(self.clone().make(request))
    }

    fn get(&self, kind: Kind, id: String) -> BoxFuture<'static, Result<Option<Listed>>> {
        let client = self.clone();
        Box::pin(async move { Self::get(&client, kind.as_str(), &id).await })
    }

    fn delete(&self, kind: Kind, id: String) -> BoxFuture<'static, Result<bool>> {
        let client = self.clone();
        Box::pin(async move { Self::delete(&client, kind.as_str(), &id).await })
    }

    fn list(&self, search: Search) -> BoxFuture<'static, Result<SearchPage>> {
        let client = self.clone();
        Box::pin(async move { Self::list(&client, search).await })
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
