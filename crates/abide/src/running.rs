use std::ops::Deref;

use abide_node::Node;

/// A running node: name objects, call them, watch them, serve them.
///
/// It dereferences to [`Node`]. Cloning is cheap. The node stops with `shutdown`.
#[derive(Clone)]
pub struct Running {
    node: Node,
}

impl Running {
    pub(crate) fn new(node: Node) -> Self {
        Self { node }
    }

    /// The node itself.
    pub fn node(&self) -> &Node {
        &self.node
    }
}

#[cfg(feature = "server")]
impl Running {
    /// Serves HTTP on `address` until the process is told to stop (Ctrl-C or SIGTERM), then drains.
    ///
    /// Where it listens is in the log or, if the program has set up no `tracing` subscriber, on standard
    /// error. `/metrics` is there if the node was started with [`Builder::metrics`](crate::Builder::metrics).
    ///
    /// # Errors
    /// `bad_request` if the address is not one, or can be reached from other machines: nobody is asked here who is
    /// calling ([`ServerOptions::auth`](crate::server::ServerOptions::auth) with
    /// [`Server::bind`](crate::server::Server::bind) does); `unavailable` if it is taken.
    pub async fn serve(&self, address: &str) -> abide_core::Result<()> {
        abide_server::serve(self.node.clone(), address).await
    }
}

impl Deref for Running {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}
