use std::sync::Arc;

use abide_core::{Clock, Error, Result, Store};
use abide_node::{NodeBuilder, NodeOptions, Object, Project};

use crate::Running;

/// Where everything begins: `Abide::open(url)`, register kinds, `start`.
///
/// The running program keeps an [`Abide`] too: it is the same name for both, so that signatures read well.
pub type Abide = Running;

impl Running {
    /// Opens a store by URL and begins to describe a node: `sqlite:path/to/file.db`, `postgres://host/database`,
    /// `redis://host` (the last two with the feature of that name) or `memory:`.
    /// A mistake in the URL, or a store that cannot be opened, is reported by `start`.
    pub fn open(url: impl Into<String>) -> Builder {
        Builder::new(Source::Url(url.into()))
    }

    /// As [`Running::open`], over a store that is open already.
    pub fn over(store: Arc<dyn Store>) -> Builder {
        Builder::new(Source::Store(store))
    }
}

/// A node being described.
#[must_use = "nothing happens until `.start().await`"]
pub struct Builder {
    source: Source,
    kinds: Vec<Box<dyn FnOnce(NodeBuilder) -> NodeBuilder + Send>>,
    options: NodeOptions,
    clock: Option<Arc<dyn Clock>>,
    metered: bool,
}

enum Source {
    Url(String),
    Store(Arc<dyn Store>),
}

impl Builder {
    fn new(source: Source) -> Self {
        Self { source, kinds: Vec::new(), options: NodeOptions::default(), clock: None, metered: false }
    }

    /// Adds a kind of objects.
    pub fn register<O: Object>(mut self) -> Self {
        self.kinds.push(Box::new(NodeBuilder::register::<O>));
        self
    }

    /// Adds a projection: a read model in a database of yours, kept up to date from the changes of objects.
    pub fn project<P: Project>(mut self, project: P, model: P::Model) -> Self {
        self.kinds.push(Box::new(|node: NodeBuilder| node.project(project, model)));
        self
    }

    /// Changes limits and times.
    pub fn configure(mut self, change: impl FnOnce(&mut NodeOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Sets the clock; the default is the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Collects metrics in this process from now on, calls included, for `/metrics` to show once the node
    /// is served. It takes the place of the process's metrics recorder, as `abide::server::install_metrics`
    /// does; without it nothing is collected, and `/metrics` is not there.
    #[cfg(feature = "server")]
    pub fn metrics(mut self) -> Self {
        abide_server::install_metrics();
        self.metered = true;
        self
    }

    /// Opens the store, takes ownership of it and starts the node on the current Tokio runtime.
    ///
    /// # Errors
    /// `unavailable` or `bad_request` with a sentence when the store cannot be opened: a second
    /// process has it, it is damaged, or it was written by a newer version. Nothing was changed then.
    pub async fn start(self) -> Result<Abide> {
        let store = match self.source {
            Source::Store(store) => store,
            Source::Url(url) => abide_store::open(&url).await.map_err(|e| Error::unavailable(e.to_string()))?,
        };
        let mut options = self.options;
        options.metered |= self.metered;
        let mut builder = NodeBuilder::new(store).options(options);
        if let Some(clock) = self.clock {
            builder = builder.clock(clock);
        }
        for register in self.kinds {
            builder = register(builder);
        }
        Ok(Running::new(builder.start().await?))
    }
}
