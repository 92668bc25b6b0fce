use crate::{
    client::{Certificates, Client},
    failure::Outcome,
    output::Output,
};

/// What every command is given: where the node is, and how to print.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The address of the node.
    pub(crate) url: String,
    /// The token to show to it.
    pub(crate) token: Option<String>,
    /// The tenant whose objects are meant, if it is not the caller's own.
    pub(crate) namespace: Option<String>,
    /// Who vouches for the node, and what it is shown.
    pub(crate) certificates: Certificates,
    /// Where to print.
    pub(crate) output: Output,
}

impl Session {
    /// A client of the node.
    pub(crate) fn client(&self) -> Outcome<Client> {
        Client::new(&self.url, &self.certificates)?.known_by(self.token.as_deref(), self.namespace.as_deref())
    }
}
