//! The contract, on one server.

use std::sync::Arc;

use abide_core::{Store, port::BoxFuture};
use abide_services::SharedRedis;
use abide_store::{RedisStore, contract::Subject};

struct OneServer(SharedRedis);

impl OneServer {
    fn new() -> Self {
        Self(SharedRedis::open().unwrap())
    }
}

impl Subject for OneServer {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let url = format!("{}?prefix={}&shards=16", self.0.url(), self.0.prefix());
        Box::pin(async move { Arc::new(RedisStore::open(&url).await.unwrap()) as Arc<dyn Store> })
    }
}

abide_store::store_contract!(OneServer::new());

mod moving {
    use super::OneServer;

    abide_store::store_contract!(moving OneServer::new());
}
