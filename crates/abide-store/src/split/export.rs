use abide_core::{
    StoreError,
    port::{
        BoxFuture,
        store::{Export, Row},
    },
};

/// The rows of several databases, one after the other. Each is of one moment, all together are not.
pub(super) struct Chain {
    exports: Vec<Box<dyn Export>>,
    total: u64,
}

impl Chain {
    pub(super) fn new(mut exports: Vec<Box<dyn Export>>) -> Self {
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
