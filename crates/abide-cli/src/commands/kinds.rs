use clap::Args;
use serde_json::Value;

use crate::{client::encode, failure::Outcome, output::Table, session::Session};

/// Show the kinds of the node, or the handlers of one.
#[derive(Args, Debug)]
pub(crate) struct Kinds {
    /// A kind, to see its handlers and their arguments.
    kind: Option<String>,
}

impl Kinds {
    /// Lists the kinds or the handlers.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let client = session.client()?;
        let path = match &self.kind {
            Some(kind) => format!("/v1/kinds/{}", encode(kind)),
            None => "/v1/kinds".into(),
        };
        let answer = client.get(&path).await?;
        match &self.kind {
            _ if session.output.is_json() => session.output.value(&answer),
            Some(_) => show(session, &answer),
            None => list(session, answer["kinds"].as_array().map_or(&[], Vec::as_slice)),
        }
    }
}

fn list(session: &Session, kinds: &[Value]) -> Outcome {
    let mut table = Table::new(&session.output, &["kind", "handlers", "about"]);
    for kind in kinds {
        let handlers: Vec<_> = elements(&kind["handlers"]).filter_map(|handler| handler["name"].as_str()).collect();
        table.row([text(&kind["kind"]), handlers.join(" "), first_sentence(&kind["description"])]);
    }
    table.print(&session.output, "the node has no kinds")
}

fn show(session: &Session, kind: &Value) -> Outcome {
    let output = &session.output;
    output.line(format!("{}  {}", output.bold(text(&kind["kind"])), text(&kind["description"])))?;
    output.line("")?;
    let mut table = Table::new(output, &["handler", "arguments", "answers", "about"]);
    for handler in elements(&kind["handlers"]) {
        let about = match handler["reads"] == Value::Bool(true) {
            true => format!("{} (reads)", text(&handler["description"])),
            false => text(&handler["description"]),
        };
        let (name, output) = (text(&handler["name"]), type_name(&handler["output"]));
        table.row([name, arguments(handler), output, about]);
    }
    table.print(output, "it has no handlers")
}

/// `amount: integer [limit: integer]`, in the handler's order; those in brackets may be left out.
fn arguments(handler: &Value) -> String {
    let shown = elements(&handler["parameters"]).map(|parameter| {
        let name = parameter["name"].as_str().unwrap_or_default();
        let argument = format!("{name}: {}", type_name(&handler["arguments"]["properties"][name]));
        match parameter["optional"] == Value::Bool(true) {
            true => format!("[{argument}]"),
            false => argument,
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// A short name for what a JSON Schema allows.
fn type_name(schema: &Value) -> String {
    let one = |name: &str| match name {
        "array" => format!("[{}]", type_name(&schema["items"])),
        "object" if schema["properties"].is_object() => {
            let names: Vec<_> =
                schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            format!("{{{}}}", names.join(", "))
        }
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).map(one).collect();
            names.join("|")
        }
        _ => {
            let choices = ["anyOf", "oneOf"].iter().find_map(|name| schema[name].as_array());
            choices.map_or_else(|| "any".into(), |all| all.iter().map(type_name).collect::<Vec<_>>().join("|"))
        }
    }
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('\n', " ")
}

fn first_sentence(value: &Value) -> String {
    let whole = text(value);
    match whole.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => whole,
    }
}
