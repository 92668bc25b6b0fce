use clap::Args;
use serde_json::{Value, json};

use crate::{
    client::{object_path, query},
    failure::Outcome,
    output::{Table, shorten},
    session::Session,
};

/// The longest state shown in a table, in characters.
const STATE_CHARS: usize = 120;
/// How many objects are asked for at once.
const PAGE: usize = 500;

/// List the objects of a kind.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  abide ls Counter --where 'count > 5' --order -count
  abide ls Wallet --prefix al --limit 10 --json")]
pub(crate) struct Ls {
    /// The kind.
    kind: String,
    /// Only objects whose state matches, for example `count > 5 and name = \"x\"`.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    /// By a field, for example `count`, or `-count` for the greatest first; otherwise by id.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    order: Option<String>,
    /// Only ids that begin with this.
    #[arg(long)]
    prefix: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Ls {
    /// Lists the objects, page by page.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let client = session.client()?;
        let (mut objects, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let limit = (self.limit - objects.len()).min(PAGE);
            let asked = query(&[
                ("prefix", self.prefix.clone()),
                ("where", self.filter.clone()),
                ("order", self.order.clone()),
                ("limit", Some(limit.to_string())),
                ("cursor", cursor.take()),
            ]);
            let mut page = client.get(&(object_path(&[&self.kind]) + &asked)).await?;
            if let Value::Array(found) = page["objects"].take() {
                objects.extend(found);
            }
            cursor = page["cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || objects.len() >= self.limit {
                break;
            }
        }
        self.print(session, &objects, cursor.is_some())
    }

    fn print(&self, session: &Session, objects: &[Value], more: bool) -> Outcome {
        let output = &session.output;
        if output.is_json() {
            return output.value(&json!({"objects": objects, "more": more}));
        }
        let mut table = Table::new(output, &["id", "seq", "changed", "state"]);
        for object in objects {
            let seq = object["seq"].as_u64().unwrap_or_default().to_string();
            let changed = object["updated_at"].as_str().unwrap_or_default().get(..19).unwrap_or_default();
            let state = object.get("state").map_or_else(|| "not shown to you".into(), Value::to_string);
            let state = shorten(&state, STATE_CHARS);
            table.row([object["id"].as_str().unwrap_or_default(), &seq, &changed.replace('T', " "), &state]);
        }
        let matching = if self.filter.is_some() || self.prefix.is_some() { " that match" } else { "" };
        table.print(output, &format!("no {} objects{matching}", self.kind))?;
        if more {
            output.note(format!("there are more: the first {} are shown; ask for more with --limit", objects.len()));
        }
        Ok(())
    }
}
