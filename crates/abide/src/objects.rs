use std::sync::Arc;

use abide_client::{Client, News};
use abide_core::{Error, Result, Seq};
use abide_node::{Handle, Object};

/// Typed objects over a [`Client`]: the same handles as on a node.
///
/// ```no_run
/// use abide::prelude::*;
///
/// #[derive(State, Default)]
/// struct Counter {
///     count: i64,
/// }
///
/// #[object]
/// impl Counter {
///     #[handler]
///     fn increment(&mut self, amount: i64) -> i64 {
///         self.count += amount;
///         self.count
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> abide::Result<()> {
/// let client = Client::connect("http://127.0.0.1:7070").await?;
/// let counter = client.object::<Counter>("user-123");
/// println!("{}", counter.increment(5).await?);
/// # Ok(())
/// # }
/// ```
pub trait Objects {
    /// The object of this name. No I/O: objects exist by being named.
    fn object<O: Object>(&self, id: &str) -> O::Ref;

    /// The object's state as it is now, and the seq it reflects; `None` if it is not there.
    fn state<O: Object>(&self, id: &str) -> impl Future<Output = Result<Option<(Seq, O)>>> + Send;
}

impl Objects for Client {
    fn object<O: Object>(&self, id: &str) -> O::Ref {
        O::Ref::from(Handle::over(Arc::new(self.clone()), id))
    }

    async fn state<O: Object>(&self, id: &str) -> Result<Option<(Seq, O)>> {
        let mut watch = self.watch(O::KIND, id).await?;
        while let Some(news) = watch.next().await {
            let (News::Snapshot { seq, state } | News::Reset { seq, state, .. }) = news? else { continue };
            let Some(state) = state else { return Ok(None) };
            let (state, _) = abide_core::state::decode::<O>(state.as_str())
                .map_err(|error| Error::internal(format!("the state does not fit {}: {error}", O::KIND)))?;
            return Ok(Some((seq, state)));
        }
        Err(Error::unavailable("the client was closed before the state came"))
    }
}
