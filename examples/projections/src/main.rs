//! Sales of shops, summed up in a database that is read with SQL.
//!
//! ```sh
//! cargo run -p projections-example -- sqlite:sales.db sqlite:totals.db 1000
//! cargo run -p projections-example -- postgres://localhost/app postgres://localhost/app 1000
//! ```
//!
//! The first argument is where the objects live, the second the read model, the third how many sales to
//! make. It prints each sale when it is durable, and the totals when the model holds all of them. Kill it at
//! any moment and start it again: nothing is counted twice and nothing is missing.
#![allow(missing_docs, reason = "an example is read, not linked to")]

mod postgres;
mod shop;
mod sqlite;

use std::io::Write;

use abide::{
    Builder,
    prelude::*,
    projection::{PostgresModel, SqliteModel},
};
use anyhow::Context as _;

use shop::Shop;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let store = args.next().context("where are the objects? for example sqlite:sales.db")?;
    let model = args.next().context("where is the model? for example sqlite:totals.db")?;
    let sales: u64 = args.next().unwrap_or_else(|| "10".into()).parse().context("how many sales?")?;

    let node = Abide::open(store).register::<Shop>();
    let abide = with_model(node, &model)?.start().await?;
    sell(&abide, sales).await?;
    abide.projections().caught_up("totals").await?;
    say(&format!("counted {}", abide.projections().get("totals")?.items))?;
    abide.shutdown().await?;
    Ok(())
}

fn with_model(node: Builder, url: &str) -> anyhow::Result<Builder> {
    Ok(match url.strip_prefix("sqlite:") {
        Some(path) => node.project(sqlite::Totals, SqliteModel::open(path)),
        None => node.project(postgres::Totals, PostgresModel::open(url)?),
    })
}

async fn sell(abide: &Abide, sales: u64) -> anyhow::Result<()> {
    for n in 0..sales {
        let shop = abide.object::<Shop>(["north", "south", "west"][usize::try_from(n % 3)?]);
        shop.sell(i64::try_from(n % 10)? + 1).await?;
        say(&format!("sold {n}"))?;
    }
    Ok(())
}

/// A line at once, for whoever reads this through a pipe.
fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
