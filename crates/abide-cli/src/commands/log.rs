use clap::Args;
use serde_json::{Value, json};

use crate::{
    client::{object_path, query},
    failure::{Failure, Outcome},
    output::dated_change_line,
    session::Session,
};

/// How many changes are asked for at once.
const PAGE: usize = 500;

/// Show the history of an object: its changes that are still kept.
#[derive(Args, Debug)]
pub(crate) struct Log {
    /// The kind of the object.
    kind: String,
    /// The id of the object.
    id: String,
    /// Only changes after this one.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

impl Log {
    /// Reads the changes, page by page.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let client = session.client()?;
        let output = &session.output;
        let path = object_path(&[&self.kind, &self.id, "changes"]);
        let (mut after, mut left, mut all) = (self.after, self.limit, Vec::new());
        let mut more = true;
        while more && left > 0 {
            let limit = Some(left.min(PAGE).to_string());
            let asked = query(&[("after", after.map(|seq| seq.to_string())), ("limit", limit)]);
            let mut page = client.get(&(path.clone() + &asked)).await?;
            if let Some(reset) = page.get("reset") {
                return Err(gone(reset));
            }
            let Value::Array(changes) = page["changes"].take() else { break };
            left = left.saturating_sub(changes.len());
            more = page["more"] == Value::Bool(true) && !changes.is_empty();
            after = page["next"].as_u64().or(after);
            if output.is_json() {
                all.extend(changes);
                continue;
            }
            for change in &changes {
                output.line(dated_change_line(output, change))?;
            }
        }
        match output.is_json() {
            true => output.value(&json!({"changes": all, "next": after, "more": more})),
            false => {
                if left == self.limit {
                    match self.after {
                        Some(after) => output.note(format!("no changes after {after}")),
                        None => output.note(format!("no changes of {}/{} are kept", self.kind, self.id)),
                    }
                } else if more {
                    output.note(format!("there are more: go on with --after {}", after.unwrap_or_default()));
                }
                Ok(())
            }
        }
    }
}

/// The position asked for is not kept, or was never reached.
fn gone(reset: &Value) -> Failure {
    let why = match reset["reason"].as_str() {
        Some("ahead") => "has not been reached",
        _ => "is no longer kept",
    };
    Failure::new("not_found", format!("what follows that seq {why}; the object is at seq {}", reset["seq"]))
        .hint("leave out --after to see all that is kept")
}
