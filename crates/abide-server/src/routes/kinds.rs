//! `GET /v1/kinds`: what this node knows, for programs and for forms.

use std::{sync::Arc, time::Duration};

use abide_core::{Code, Error, duration::format_duration};
use abide_node::{Durability, HandlerDescription, History, KindDescription, Layout, Options};
use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    Problem,
    answer::json::lasting,
    request::{percent, query::Query},
    shared::Shared,
};

/// `GET /v1/kinds`.
pub(crate) async fn all(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query())?.finish()?;
    Ok(lasting(shared.kinds_json.clone()))
}

/// `GET /v1/kinds/{kind}`.
pub(crate) async fn one(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query())?.finish()?;
    let name = request.uri().path().trim_start_matches("/v1/kinds/");
    let name = percent::decode(name, percent::Plus::Plus)
        .map_err(|error| Problem::bad_request(format!("the kind in the path {error}")))?;
    let found = shared.descriptions.iter().find(|kind| kind.kind.as_str() == name);
    let found = found.ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        Error::new(Code::UnknownKind, format!("this node has no kind {shown:?}; GET /v1/kinds lists those it has"))
    })?;
    Ok(lasting(kind(found).to_string()))
}

/// `GET /openapi.json`.
pub(crate) async fn openapi(State(shared): State<Arc<Shared>>) -> Response {
    lasting(shared.openapi_json.clone())
}

/// All kinds.
pub(crate) fn json(kinds: &[KindDescription]) -> String {
    json!({ "kinds": kinds.iter().map(kind).collect::<Vec<_>>() }).to_string()
}

fn kind(kind: &KindDescription) -> Value {
    json!({
        "kind": kind.kind,
        "description": kind.description,
        "state": kind.state,
        "handlers": kind.handlers.iter().map(handler).collect::<Vec<_>>(),
        "alarms": kind.alarms.iter().map(handler).collect::<Vec<_>>(),
        "indexes": kind.indexes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "options": options(&kind.options),
    })
}

fn handler(handler: &HandlerDescription) -> Value {
    let parameters = handler.parameters.iter();
    json!({
        "name": handler.name,
        "description": handler.description,
        "reads": handler.reads,
        "parameters": parameters.map(|p| json!({"name": p.name, "optional": p.optional})).collect::<Vec<_>>(),
        "arguments": handler.arguments(),
        "output": handler.output,
    })
}

fn options(options: &Options) -> Value {
    let after = |time: Option<Duration>| time.map_or_else(|| "never".into(), format_duration);
    json!({
        "hibernate_after": after(options.hibernate_after),
        "shutdown_after": after(options.shutdown_after),
        "history": match options.history {
            History::None => json!("none"),
            History::Changes(count) => json!(count),
            History::For(time) => json!(format_duration(time)),
            History::All => json!("all"),
        },
        "durability": match options.durability {
            Durability::Commit => "commit".into(),
            Durability::Behind(interval) => format!("behind:{}", format_duration(interval)),
            Durability::Volatile => "volatile".into(),
        },
        "version": options.version,
        "stateless": options.stateless,
        "autoload": options.autoload,
        "mailbox": options.mailbox,
        "layout": match options.layout {
            Layout::Plain => Value::Null,
            Layout::Distobject { prefix, channel } => {
                json!({"name": "distobject", "prefix": prefix, "channel": channel})
            }
        },
        "session": options.session,
    })
}
