use abide::projection::{Batch, Fact, Project, ProjectResult, SqliteModel, SqliteTx};

/// Sums up sales by shop, in SQLite.
pub(crate) struct Totals;

impl Project for Totals {
    const NAME: &'static str = "totals";
    type Model = SqliteModel;

    fn kinds(&self) -> Vec<&'static str> {
        vec!["Shop"]
    }

    async fn clear(&self, tx: &mut SqliteTx) -> ProjectResult {
        tx.execute_batch(
            "CREATE TABLE IF NOT EXISTS totals (shop TEXT PRIMARY KEY, sales INTEGER NOT NULL, cents INTEGER NOT NULL);
             DELETE FROM totals",
        )?;
        Ok(())
    }

    async fn apply(&self, tx: &mut SqliteTx, batch: &Batch) -> ProjectResult {
        let mut add = tx.prepare_cached(
            "INSERT INTO totals VALUES (?1, 1, ?2)
             ON CONFLICT (shop) DO UPDATE SET sales = sales + 1, cents = cents + excluded.cents",
        )?;
        let mut set = tx.prepare_cached("INSERT OR REPLACE INTO totals VALUES (?1, ?2, ?3)")?;
        for item in batch {
            let shop = item.key.id();
            match &item.fact {
                Fact::Change(change) => {
                    for sold in change.events.iter().filter(|event| event.kind == "Sold") {
                        add.execute((shop, sold.data["cents"].as_i64()))?;
                    }
                }
                // The changes are not kept any more: the object knows the sums itself.
                Fact::State { state, .. } => {
                    let state = state.value();
                    set.execute((shop, state["sales"].as_i64(), state["cents"].as_i64()))?;
                }
                Fact::Gone { .. } => {
                    tx.execute("DELETE FROM totals WHERE shop = ?1", [shop])?;
                }
            }
        }
        Ok(())
    }
}
