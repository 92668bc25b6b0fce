use std::fmt;

use abide_core::{Key, Namespace};

use super::Action;

/// What a caller asks to do, and to what.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What.
    pub action: Action,
    /// In which tenant.
    pub namespace: &'a Namespace,
    /// To objects of which kind. `None`: of all.
    pub kind: Option<&'a str>,
    /// To which object or objects.
    pub ids: Ids<'a>,
    /// Through which handler.
    pub handler: Option<&'a str>,
}

/// Which ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids<'a> {
    /// This one.
    One(&'a str),
    /// All that begin with this.
    Prefix(&'a str),
}

impl<'a> Ask<'a> {
    /// To do something to one object.
    pub fn object(action: Action, key: &'a Key) -> Self {
        let kind = Some(key.kind().as_str());
        Self { action, namespace: key.namespace(), kind, ids: Ids::One(key.id()), handler: None }
    }

    /// To call a handler, or to create an object by calling it.
    pub fn handler(action: Action, key: &'a Key, handler: &'a str) -> Self {
        Self { handler: Some(handler), ..Self::object(action, key) }
    }

    /// To see all objects of a kind, or of all kinds, whose ids begin with a prefix.
    pub fn list(namespace: &'a Namespace, kind: Option<&'a str>, prefix: &'a str) -> Self {
        Self { action: Action::List, namespace, kind, ids: Ids::Prefix(prefix), handler: None }
    }

    /// To see the states of all objects of a kind, or of all kinds, whose ids begin with a prefix.
    pub fn watch_all(namespace: &'a Namespace, kind: Option<&'a str>, prefix: &'a str) -> Self {
        Self { action: Action::Watch, ..Self::list(namespace, kind, prefix) }
    }

    /// To look after the node.
    pub fn admin(namespace: &'a Namespace) -> Self {
        Self { action: Action::Admin, namespace, kind: None, ids: Ids::Prefix(""), handler: None }
    }
}

impl fmt::Display for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.action, self.kind, self.ids) {
            (Action::Admin, ..) => return f.write_str("look after the node"),
            (action, Some(kind), Ids::One(id)) => write!(f, "{action} {kind}/{id}")?,
            (action, None, Ids::One(id)) => write!(f, "{action} */{id}")?,
            (action, kind, Ids::Prefix("")) => write!(f, "{action} all of {}", kind.unwrap_or("every kind"))?,
            (action, kind, Ids::Prefix(prefix)) => {
                write!(f, "{action} {} whose ids begin with {prefix:?}", kind.unwrap_or("objects of every kind"))?;
            }
        }
        if let Some(handler) = self.handler {
            write!(f, " by {handler}")?;
        }
        match self.namespace.as_str() {
            "default" => Ok(()),
            namespace => write!(f, " in {namespace}"),
        }
    }
}
