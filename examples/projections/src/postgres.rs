use abide::projection::{Batch, Fact, PostgresModel, PostgresTx, Project, ProjectResult};

/// Sums up sales by shop, in PostgreSQL.
pub(crate) struct Totals;

impl Project for Totals {
    const NAME: &'static str = "totals";
    type Model = PostgresModel;

    fn kinds(&self) -> Vec<&'static str> {
        vec!["Shop"]
    }

    async fn clear(&self, tx: &mut PostgresTx) -> ProjectResult {
        tx.batch_execute(
            "CREATE TABLE IF NOT EXISTS totals (shop text PRIMARY KEY, sales bigint NOT NULL, cents bigint NOT NULL);
             DELETE FROM totals",
        )
        .await?;
        Ok(())
    }

    async fn apply(&self, tx: &mut PostgresTx, batch: &Batch) -> ProjectResult {
        let add = "INSERT INTO totals VALUES ($1, 1, $2)
                   ON CONFLICT (shop) DO UPDATE SET sales = totals.sales + 1, cents = totals.cents + excluded.cents";
        let set = "INSERT INTO totals VALUES ($1, $2, $3)
                   ON CONFLICT (shop) DO UPDATE SET sales = excluded.sales, cents = excluded.cents";
        let (add, set) = (tx.prepare(add).await?, tx.prepare(set).await?);
        for item in batch {
            let shop = item.key.id();
            match &item.fact {
                Fact::Change(change) => {
                    for sold in change.events.iter().filter(|event| event.kind == "Sold") {
                        tx.execute(&add, &[&shop, &sold.data["cents"].as_i64()]).await?;
                    }
                }
                // The changes are not kept any more: the object knows the sums itself.
                Fact::State { state, .. } => {
                    let state = state.value();
                    tx.execute(&set, &[&shop, &state["sales"].as_i64(), &state["cents"].as_i64()]).await?;
                }
                Fact::Gone { .. } => {
                    tx.execute("DELETE FROM totals WHERE shop = $1", &[&shop]).await?;
                }
            }
        }
        Ok(())
    }
}
