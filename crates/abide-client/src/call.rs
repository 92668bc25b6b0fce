//! A call by names, before it is made.

use std::{fmt, future::IntoFuture, marker::PhantomData, sync::Arc, time::Duration};

use abide_core::{
    Error, Json, Result, Seq,
    port::{BoxFuture, Repeat, Request},
};
use serde::de::DeserializeOwned;

use crate::client::Client;

/// A call of a handler by names, whose answer is decoded as `R`. It takes effect once, however often it has to
/// be sent, unless it says otherwise.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<R> {
    client: Client,
    request: Result<Request>,
    answer: PhantomData<fn() -> R>,
}

/// What a handler returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<T> {
    /// What it returned.
    pub value: T,
    /// The object's seq that the answer reflects.
    pub seq: Seq,
}

impl<R> Call<R> {
    pub(crate) fn new(client: Client, request: Result<Request>) -> Self {
        Self { client, request, answer: PhantomData }
    }

    /// Makes the call take effect once however often it is made with this key (1 to 256 bytes), also by another
    /// program.
    pub fn key(self, key: impl Into<Arc<str>>) -> Self {
        self.repeat(Repeat::Keyed(Some(key.into())))
    }

    /// Sends the call once at most. If the connection breaks, it fails with `unavailable` and may have taken
    /// effect.
    pub fn at_most_once(self) -> Self {
        self.repeat(Repeat::Never)
    }

    /// Sends the call as often as it takes, without a key: for handlers that only read, whose answer needs not be kept.
    pub fn repeatable(self) -> Self {
        self.repeat(Repeat::Freely)
    }

    /// How long to wait for the answer, broken connections included.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Ok(request) = &mut self.request {
            request.timeout = Some(timeout);
        }
        self
    }

    /// Makes the call; the answer stays JSON.
    pub async fn json(self) -> Result<Reply<Json>> {
        let (value, seq) = self.client.make(self.request?).await?;
        Ok(Reply { value, seq })
    }

    fn repeat(mut self, repeat: Repeat) -> Self {
        if let Ok(request) = &mut self.request {
            request.repeat = repeat;
        }
        self
    }
}

impl<R: DeserializeOwned> Call<R> {
    /// Makes the call; the answer comes with the seq it reflects.
    pub async fn reply(self) -> Result<Reply<R>> {
        let (value, seq) = self.client.make(self.request?).await?;
        let value = value.decode().map_err(|error| Error::misread(&error))?;
        Ok(Reply { value, seq })
    }
}

impl<R: DeserializeOwned + 'static> IntoFuture for Call<R> {
    type Output = Result<R>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.reply().await.map(|reply| reply.value) })
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.request {
            Ok(Request { kind, id, handler, .. }) => write!(f, "Call({}/{id}/{handler})", kind.as_str()),
            Err(error) => write!(f, "Call({error})"),
        }
    }
}
