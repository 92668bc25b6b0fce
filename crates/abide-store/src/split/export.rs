use abide_core::{
    Key, StoreError,
    port::{
        BoxFuture,
        store::{Export, Row},
    },
};

use crate::moments::Moments;

/// The rows of several databases, each of a later moment than those before; `part` says in which of them an
/// object is.
pub(super) fn chained(exports: Vec<Box<dyn Export>>, part: impl Fn(&Key) -> usize + Send + 'static) -> Moments<Chain> {
    Moments::new(Chain::new(exports), move |row, sender| match row {
        Row::Received { key, .. } => part(sender) < part(key),
        // A message is where its sender is.
        Row::Object(_) | Row::Change { .. } | Row::Alarm { .. } | Row::Outcome { .. } | Row::Message(_) => false,
    })
}

/// The rows of several databases, one after the other. Each is of one moment, all together are not.
pub(super) struct Chain {
    exports: Vec<Box<dyn Export>>,
    total: u64,
}

impl Chain {
    fn new(mut exports: Vec<Box<dyn Export>>) -> Self {
        exports.reverse();
        let total = exports.iter().map(|export| export.total()).sum();
        Self { exports, total }
    }
}

impl Export for Chain {
    fn total(&self) -> u64 {
        self.total
    }

    fn of_one_moment(&self) -> bool {
        false
    }

    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            while let Some(export) = self.exports.last_mut() {
                let page = export.next(limit).await?;
                if !page.is_empty() {
                    return Ok(page);
                }
                self.exports.pop();
            }
            Ok(Vec::new())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use abide_core::{Seq, port::store::Commit};

    use super::*;
    use crate::{
        MemoryStore,
        contract::fixture::{Owner, key},
    };

    #[tokio::test]
    async fn an_object_has_received_no_more_than_its_sender_in_an_earlier_database_sent() {
        let one = Owner::claim(Arc::new(MemoryStore::new(4))).await;
        let two = Owner::claim(Arc::new(MemoryStore::new(4))).await;
        let [early, late, fresh] = ["early", "late", "fresh"].map(key);
        one.grow(&early, 3).await;
        let first = one.store.export().await.unwrap();
        one.done(vec![one.put(&early, 3), one.put(&fresh, 0)]).await;
        let received = vec![(early.clone(), 4 << 16), (fresh.clone(), 1 << 16), (late.clone(), 9 << 16)];
        two.done(vec![Commit { received, ..two.put(&late, 0) }]).await;
        let second = two.store.export().await.unwrap();
        let mut all = chained(vec![first, second], move |of| usize::from(*of == key("late")));
        let (mut found, mut heads) = (Vec::new(), Vec::new());
        loop {
            let page = all.next(1).await.unwrap();
            match page.first() {
                None => break,
                Some(Row::Received { sender, n, .. }) => found.push((sender.clone(), *n)),
                Some(Row::Object(object)) => heads.push((object.key.clone(), object.head)),
                Some(_) => {}
            }
        }
        found.sort();
        assert_eq!(heads, [(early.clone(), Seq::new(3)), (late.clone(), Seq::new(1))]);
        // What is of one moment comes as it is, whatever it says.
        assert_eq!(found, [(early, 3 << 16 | 0xffff), (fresh, 0xffff), (late, 9 << 16)]);
    }
}
