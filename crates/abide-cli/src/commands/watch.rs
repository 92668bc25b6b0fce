use std::time::Duration;

use abide::{Clock, SystemClock};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    client::{Client, Event, object_path, query},
    failure::{Failure, Outcome},
    output::{change_line, plain, shorten},
    session::Session,
};

/// The first and the longest wait before connecting again.
const WAIT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// The longest state shown after a reset, in characters.
const STATE_CHARS: usize = 500;

/// Watch an object: its changes, one line each, as they happen.
///
/// A lost connection is made again where it broke off: no change is missed or shown twice.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// The kind of the object.
    kind: String,
    /// The id of the object.
    id: String,
    /// Begin after this change instead of now; 0 is the beginning.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Stop after so many changes.
    #[arg(long)]
    limit: Option<u64>,
}

impl Watch {
    /// Prints changes until it is stopped.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let client = session.client()?;
        let from = match self.after {
            Some(seq) => seq,
            None => self.position(&client).await?,
        };
        let mut view = View { session, last: from.to_string(), left: self.limit.unwrap_or(u64::MAX), connected: false };
        let mut wait = WAIT.0;
        while view.left > 0 {
            let seen = view.last.clone();
            match self.follow(&client, &mut view).await {
                Err(failure) if !view.connected || !is_passing(&failure) => return Err(failure),
                _ => {}
            }
            if view.left == 0 {
                break;
            }
            if view.last != seen {
                wait = WAIT.0;
            }
            session.output.note(format!("the connection is lost; trying again in {} ms", wait.as_millis()));
            sleep(wait).await;
            wait = longer(wait);
        }
        Ok(())
    }

    /// Where the object is now, so that nothing is missed if the connection is lost before the first
    /// change.
    async fn position(&self, client: &Client) -> Outcome<u64> {
        let page = client.get(&(object_path(&[&self.kind, &self.id, "changes"]) + "?limit=1")).await?;
        Ok(page["head"].as_u64().unwrap_or_default())
    }

    /// Follows one connection to its end.
    async fn follow(&self, client: &Client, view: &mut View<'_>) -> Outcome {
        let path = object_path(&[&self.kind, &self.id, "changes"]);
        let mut events = match view.connected {
            true => client.events(&path, Some(&view.last)).await?,
            false => client.events(&(path + &query(&[("after", Some(view.last.clone()))])), None).await?,
        };
        view.connected = true;
        while view.left > 0 {
            match events.next().await? {
                Some(event) => view.show(&event)?,
                None => break,
            }
        }
        Ok(())
    }
}

/// What was shown so far.
struct View<'a> {
    session: &'a Session,
    last: String,
    left: u64,
    connected: bool,
}

impl View<'_> {
    fn show(&mut self, event: &Event) -> Outcome {
        let output = &self.session.output;
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|error| Failure::new("answer", format!("an event of the stream is not JSON: {error}")))?;
        match event.name.as_str() {
            "change" if output.is_json() => output.value(&data)?,
            "change" => output.line(change_line(output, &data))?,
            "error" => return Err(Failure::problem(data)),
            name if output.is_json() => output.value(&json!({ name: data }))?,
            name => {
                let reason = plain(data["reason"].as_str().unwrap_or_default());
                let state = shorten(&data["state"].to_string(), STATE_CHARS);
                output.line(format!("{} ({reason}): the state at seq {} is {state}", output.red(name), data["seq"]))?;
            }
        }
        if !event.id.is_empty() {
            self.last.clone_from(&event.id);
        }
        self.left -= 1;
        Ok(())
    }
}

/// Whether connecting again can help.
fn is_passing(failure: &Failure) -> bool {
    matches!(failure.code(), "unreachable" | "unavailable" | "deadline" | "overloaded")
}

/// Twice as long, and a little more or less, so that many watchers do not come back at once.
fn longer(wait: Duration) -> Duration {
    let doubled = (wait * 2).min(WAIT.1);
    let percent = u32::try_from(SystemClock.random() % 50).unwrap_or(0);
    doubled * (75 + percent) / 100
}
