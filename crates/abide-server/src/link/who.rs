//! Who is at the other end of a connection, and what it may do.

use std::sync::Arc;

use abide_core::{Code, Error, Key, Kind, Namespace, Result};
use abide_node::{CallOptions, Principal};

use super::Opening;
use crate::{Action, Caller, shared::Shared, standing::Standing};

/// Who is there. Everything it wants is asked at the gate, as for any request.
#[derive(Clone, Debug)]
pub(crate) struct Who(Caller);

impl Who {
    /// Who presents this token; without one, who sent the request that opened the connection.
    ///
    /// # Errors
    /// `unauthenticated`, `denied`.
    pub(crate) fn of(shared: &Shared, token: Option<&str>, opening: &Opening) -> Result<Self> {
        shared.gate.identify_opening(token, &opening.headers, &opening.peer).map(Self)
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        self.0.namespace()
    }

    pub(crate) fn principal(&self) -> Option<&Arc<Principal>> {
        self.0.principal()
    }

    /// For how long it is known.
    pub(crate) fn standing(&self, shared: &Arc<Shared>) -> Standing {
        Standing::new(shared, &self.0)
    }

    /// Notes that a call of its own failed.
    pub(crate) fn noted(&self, shared: &Shared, existing: bool, error: &Error) {
        shared.gate.noted(&self.0, existing, error);
    }

    /// Notes that it was refused.
    pub(crate) fn told(&self, shared: &Shared, error: &Error) {
        shared.gate.tell(error, &self.0.label());
    }

    /// Whether this is the same caller.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let name = |who: &Self| who.principal().map(|principal| principal.subject.clone());
        let home = |who: &Self| who.principal().map(|principal| principal.namespace.clone());
        self.namespace() == other.namespace() && name(self) == name(other) && home(self) == home(other)
    }

    /// The object that a frame names.
    pub(crate) fn key(&self, kind: &Kind, id: &str) -> Result<Key> {
        Key::new(self.namespace(), kind, id)
            .map_err(|error| Error::bad_request(format!("{error}; nothing was changed")))
    }

    /// Takes one frame from its shares.
    pub(crate) fn spend(&self, shared: &Shared) -> Result<()> {
        shared.gate.spend_frame(&self.0)
    }

    /// Refuses a call that it may not make; otherwise it is made on its behalf.
    pub(crate) fn may_call(&self, shared: &Shared, key: &Key, handler: &str, options: &mut CallOptions) -> Result<()> {
        shared.gate.allow_call(&self.0, key, handler, options)
    }

    /// Refuses to let it see an object, or talk to those who do.
    pub(crate) fn may_watch(&self, shared: &Shared, key: &Key) -> Result<()> {
        shared.gate.allow_object(&self.0, Action::Watch, key)
    }

    /// Refuses to let it delete an object.
    pub(crate) fn may_delete(&self, shared: &Shared, key: &Key) -> Result<()> {
        shared.gate.allow_object(&self.0, Action::Delete, key)
    }

    /// Who it is, for what asks the gate itself.
    pub(crate) fn caller(&self) -> &Caller {
        &self.0
    }

    /// Refuses a session that it may not have.
    pub(crate) fn may_begin(&self, shared: &Shared, key: &Key) -> Result<()> {
        shared.gate.allow_object(&self.0, Action::Create, key)
    }
}

/// A session object is its client's alone.
pub(crate) fn foreign_session(key: &Key) -> Error {
    let detail = format!(
        "{key} is not the session of this client; nothing was changed; a client that came back too late, or after a \
         restart of the server, has a new id: call the session of that"
    );
    Error::new(Code::Denied, detail)
}
