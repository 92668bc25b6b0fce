use abide::prelude::*;

/// A shop, which keeps what it did.
#[derive(State, Default)]
pub(crate) struct Shop {
    sales: u64,
    cents: i64,
}

#[object(history = "all")]
impl Shop {
    #[handler]
    fn sell(&mut self, ctx: &mut Context, cents: i64) -> u64 {
        self.sales += 1;
        self.cents += cents;
        ctx.emit("Sold", json!({"cents": cents}));
        self.sales
    }
}
