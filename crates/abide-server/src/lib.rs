//! The front door of Abide: HTTP, server-sent events, OpenAPI, health and metrics.

use abide_core::Result;
use abide_node::Node;

/// Serves HTTP on `address` until the process is told to stop, then drains the node.
pub async fn serve(node: Node, address: &str) -> Result<()> {
    let _ = (node, address);
    Err(abide_core::Error::unavailable("the front door is being built"))
}
