//! Kinds that programs written with distobject share with Abide.
//!
//! Such a program keeps an object as one flat hash of strings at `<prefix>:<ULID>`, and publishes
//! `{"id":"<key>","changes":{"field":"string"}}` for each update, apart from its write. Abide does the
//! same in its commits, so that those programs see its updates, and takes theirs in:
//!
//! - **The typed state stays Abide's own**, in the object's hash as every kind has it. The flat hash
//!   beside it holds strings alone, and no field that the state does not have. A third key holds what
//!   of the flat hash Abide wrote or took in last; whatever differs from it is a foreign write.
//! - **A foreign write becomes a change** in a turn of the object's owner: one for each message, in the
//!   order of messages, or one for all that a comparison finds. Nobody but the owner commits, so there is
//!   nothing to conflict with.
//! - **A commit of Abide writes only fields that it changed.** Where it changes a field that a foreign
//!   write changed a moment ago, the later one counts, as between two programs of distobject.
//! - **Messages can be lost; hashes are not.** When an object is loaded, after each new subscription, and
//!   every so often, hashes are compared with what was taken in.
//! - **What was deleted stays deleted**: a foreign write to a grave is removed again.

mod listen;
mod look;
mod order;

use std::{collections::BTreeMap, sync::Arc};

use abide_core::{
    Json, Key, StoreError, Timestamp,
    port::{
        BoxFuture,
        store::{FieldForm, Notice, SharedKind, Sharing, Strings},
    },
};
use redis::Client;
use tokio::sync::{Mutex, mpsc};

use self::order::Order;
use super::writer::Shared;

/// The shared kinds of a store, by name.
pub(super) type Layouts = BTreeMap<String, SharedKind>;

/// How many notices wait for the node.
const NOTICES: usize = 1_024;

/// Objects of one store that foreign programs share.
pub(super) struct RedisSharing {
    shared: Arc<Shared>,
    order: Arc<Order>,
    notices: Mutex<mpsc::Receiver<Notice>>,
}

impl RedisSharing {
    /// Listens to the channels of all shared kinds, until this is dropped.
    #[expect(clippy::disallowed_methods, reason = "the one listener of a store; it ends with the receiver it sends to")]
    pub(super) fn new(shared: Arc<Shared>, client: Client) -> Self {
        let order = Arc::new(Order::new());
        let (tx, notices) = mpsc::channel(NOTICES);
        tokio::spawn(listen::listen(Arc::downgrade(&shared), client, order.clone(), tx));
        Self { shared, order, notices: Mutex::new(notices) }
    }
}

impl Sharing for RedisSharing {
    fn next(&self) -> BoxFuture<'_, Option<Notice>> {
        Box::pin(async move { self.notices.lock().await.recv().await })
    }

    fn look(&self, notice: Notice) -> BoxFuture<'static, Result<Option<Strings>, StoreError>> {
        let (shared, order) = (self.shared.clone(), self.order.clone());
        Box::pin(async move {
            let layouts = shared.layouts.read().clone();
            match of(&layouts, &notice.key) {
                Some(layout) => look::look(&shared, layout, &order, &notice).await,
                None => Ok(None),
            }
        })
    }
}

/// The key of the flat hash of an object.
pub(super) fn flat(layout: &SharedKind, key: &Key) -> String {
    format!("{}:{}", layout.prefix, key.id())
}

/// The object whose flat hash is at this key.
fn object(layouts: &Layouts, flat: &str) -> Option<Key> {
    layouts.values().find_map(|layout| {
        let id = flat.strip_prefix(&layout.prefix)?.strip_prefix(':')?;
        Key::parse("default", layout.kind.as_str(), id).ok()
    })
}

/// The fields of a state as strings, with `updated_at` as seconds.
pub(super) fn strings(state: &Json, updated_at: Timestamp) -> Vec<(String, String)> {
    let serde_json::Value::Object(state) = state.value() else { return Vec::new() };
    let string = |(name, value): (String, serde_json::Value)| {
        let text = match name.as_str() {
            "updated_at" => (updated_at.as_millis() / 1_000).to_string(),
            _ => FieldForm::write(&value),
        };
        (name, text)
    };
    state.into_iter().map(string).collect()
}

/// The layout of an object's kind, if it is shared.
pub(super) fn of<'l>(layouts: &'l Layouts, key: &Key) -> Option<&'l SharedKind> {
    layouts.get(key.kind().as_str()).filter(|_| key.namespace().as_str() == "default")
}
