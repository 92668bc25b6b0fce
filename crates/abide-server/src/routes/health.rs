//! Is it there, does it take calls, and what has it done?

use std::sync::Arc;

use abide_core::{Code, Error};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{Caller, Problem, answer::json::fresh, shared::Shared};

/// `GET /healthz`: the process answers.
pub(crate) async fn live() -> Response {
    fresh(&br#"{"status":"ok"}"#[..])
}

/// `GET /readyz`: calls are taken. It fails from the moment the server is told to stop.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    if shared.draining.is_cancelled() || !shared.node.is_running() {
        return Err(Error::unavailable("this server is stopping; call another one, or try again").into());
    }
    Ok(fresh(&br#"{"status":"ready"}"#[..]))
}

/// `GET /metrics`: counters, gauges and histograms in the text format of Prometheus.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Response, Problem> {
    shared.gate.allow_metrics(&caller)?;
    let Some(handle) = &shared.metrics else {
        let detail =
            "this program does not collect metrics: it says `.metrics()` before `.start()`, or calls install_metrics()";
        return Err(Error::new(Code::NotFound, detail).into());
    };
    handle.run_upkeep();
    let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, media)], handle.render()).into_response())
}
