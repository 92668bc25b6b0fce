//! abide-node
