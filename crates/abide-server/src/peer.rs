use std::net::IpAddr;

use crate::{Caller, reads::ReadsOfCallers, stranger::Stranger};

/// The other end of a connection: where it is, and whom its certificate names.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The address that it has connected from.
    pub(crate) address: IpAddr,
    /// Whom the certificate names that it has shown, if the node asks for one.
    pub(crate) certified: Option<Caller>,
    /// What it may send, once the connection is one of frames.
    pub(crate) stranger: Stranger,
    /// Turns to read what may be much, of each caller.
    pub(crate) reads: ReadsOfCallers,
}
