use abide::{Clock, SystemClock, Timestamp, duration::format_duration};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    client::{object_path, query},
    failure::Outcome,
    output::{Table, shorten},
    session::Session,
};

/// How many alarms are asked for at once.
const PAGE: usize = 500;
/// The longest payload shown in a table, in characters.
const PAYLOAD_CHARS: usize = 60;

/// Show the alarms of an object, or of all objects.
#[derive(Args, Debug)]
pub(crate) struct Alarms {
    /// The kind of the object.
    #[arg(requires = "id")]
    kind: Option<String>,
    /// The id of the object.
    id: Option<String>,
    /// Only alarms that were given up after they had failed too often.
    #[arg(long)]
    dead: bool,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

impl Alarms {
    /// Lists the alarms, the next one first.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let path = match (&self.kind, &self.id) {
            (Some(kind), Some(id)) => object_path(&[kind, id, "alarms"]),
            _ => "/v1/alarms".into(),
        };
        let client = session.client()?;
        let output = &session.output;
        let (mut alarms, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let limit = (self.limit - alarms.len()).min(PAGE);
            let dead = self.dead.then(|| "true".to_owned());
            let asked = query(&[("dead", dead), ("limit", Some(limit.to_string())), ("cursor", cursor.take())]);
            let mut page = client.get(&(path.clone() + &asked)).await?;
            if let Value::Array(found) = page["alarms"].take() {
                alarms.extend(found);
            }
            cursor = page["cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || alarms.len() >= self.limit {
                break;
            }
        }
        if output.is_json() {
            return output.value(&json!({"alarms": alarms, "more": cursor.is_some()}));
        }
        let mut table = Table::new(output, &["object", "alarm", "due", "repeats", "payload", "failed"]);
        for alarm in &alarms {
            let text = |name: &str| alarm[name].as_str().unwrap_or_default().to_owned();
            let kind = alarm["kind"].as_str().or(self.kind.as_deref()).unwrap_or_default();
            let id = alarm["id"].as_str().or(self.id.as_deref()).unwrap_or_default();
            table.row([
                format!("{kind}/{id}"),
                text("name"),
                due(&text("due")),
                schedule(&alarm["schedule"]),
                payload(&alarm["payload"]),
                failed(alarm),
            ]);
        }
        table.print(output, "no alarms are set")
    }
}

/// `2026-01-02 03:04:05 (in 5m)`.
fn due(text: &str) -> String {
    let shown = text.get(..19).unwrap_or(text).replace('T', " ");
    let Ok(at) = serde_json::from_value::<Timestamp>(Value::from(text)) else {
        return shown;
    };
    let now = SystemClock.now();
    let seconds = |length: std::time::Duration| format_duration(std::time::Duration::from_secs(length.as_secs()));
    match at >= now {
        true => format!("{shown} (in {})", seconds(at.since(now))),
        false => format!("{shown} ({} ago)", seconds(now.since(at))),
    }
}

fn schedule(schedule: &Value) -> String {
    match schedule {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn payload(payload: &Value) -> String {
    match payload {
        Value::Null => String::new(),
        other => shorten(&other.to_string(), PAYLOAD_CHARS),
    }
}

fn failed(alarm: &Value) -> String {
    let attempts = alarm["attempt"].as_u64().unwrap_or_default();
    match alarm["dead"].as_str() {
        Some(error) => format!("given up after {attempts}: {error}"),
        None if attempts > 0 => format!("{attempts} times"),
        None => String::new(),
    }
}
