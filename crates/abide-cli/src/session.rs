use crate::{client::Client, failure::Outcome, output::Output};

/// What every command is given: where the node is, and how to print.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The address of the node.
    pub(crate) url: String,
    /// Where to print.
    pub(crate) output: Output,
}

impl Session {
    /// A client of the node.
    pub(crate) fn client(&self) -> Outcome<Client> {
        Client::new(&self.url)
    }
}
