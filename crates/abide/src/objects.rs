use std::sync::Arc;

use abide_client::Client;
use abide_node::{Find, Handle, Object};

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

    /// The objects of a type, by filter and in an order: `client.find::<Counter>().filter("count > 5").await`.
    fn find<O: Object>(&self) -> Find<O>;
}

impl Objects for Client {
    fn object<O: Object>(&self, id: &str) -> O::Ref {
        O::Ref::from(Handle::over(Arc::new(self.clone()), id))
    }

    fn find<O: Object>(&self) -> Find<O> {
        Find::over(Arc::new(self.clone()))
    }
}
