use std::time::Duration;

use abide::duration::format_duration;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    client::encode,
    failure::Outcome,
    output::{Table, shorten},
    session::Session,
};

/// The longest error shown in a table, in characters.
const ERROR_CHARS: usize = 100;

/// Show the projections of the node, or fill one anew.
#[derive(Args, Debug)]
pub(crate) struct Projections {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Empty a model and fill it anew; calls go on meanwhile.
    Rebuild {
        /// The name of the projection.
        name: String,
    },
}

impl Projections {
    /// Lists them, or asks for the rebuild.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let (client, output) = (session.client()?, &session.output);
        if let Some(Command::Rebuild { name }) = self.command {
            let answer = client.post(&format!("/v1/projections/{}/rebuild", encode(&name))).await?;
            return match output.is_json() {
                true => output.value(&answer),
                false => output.line(format!("{name} is being rebuilt: `abide projections` shows how far it is")),
            };
        }
        let answer = client.get("/v1/projections").await?;
        if output.is_json() {
            return output.value(&answer);
        }
        let mut table = Table::new(output, &["projection", "state", "build", "behind", "items", "failures", "error"]);
        for found in answer["projections"].as_array().into_iter().flatten() {
            let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            let number = |name: &str| found[name].as_u64().unwrap_or_default().to_string();
            let error = shorten(&text("error"), ERROR_CHARS);
            let (build, items, failures) = (number("build"), number("items"), number("failures"));
            table.row([text("name"), text("state"), build, lag(&found["lag_seconds"]), items, failures, error]);
        }
        table.print(output, "the node has no projections")
    }
}

fn lag(seconds: &Value) -> String {
    let lag = Duration::try_from_secs_f64(seconds.as_f64().unwrap_or_default()).unwrap_or_default();
    format_duration(Duration::from_millis(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)))
}
