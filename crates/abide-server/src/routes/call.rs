//! `POST /v1/objects/{kind}/{id}/{handler}`: calls a handler. This is the path that has to be fast.

use axum::{body::HttpBody, http::Request, response::Response};
use bytes::Bytes;

use crate::{
    Caller, Problem,
    answer::json,
    request::{arguments, body, headers, path::ObjectPath},
    shared::Shared,
};

/// Calls what the path names with the arguments in the body.
pub(crate) async fn call<B>(shared: &Shared, caller: &Caller, request: Request<B>) -> Result<Response, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let (parts, body) = request.into_parts();
    let path = ObjectPath::parse(parts.uri.path())?;
    if parts.uri.query().is_some() {
        let detail = "a call takes its arguments in the body, not in the query; nothing was changed";
        return Err(Problem::bad_request(detail));
    }
    let key = shared.key(caller, &path)?;
    let mut options = headers::call_options(&parts.headers, &shared.limits)?;
    let handler = path.last.as_deref().unwrap_or_default();
    // Before the body: whoever may not call need not send it.
    shared.gate.allow_call(caller, &key, handler, &mut options)?;
    let bytes = body::read(&parts.headers, body, &shared.limits).await?;
    if !bytes.is_empty() {
        headers::check_json(&parts.headers)?;
    }
    let args = arguments::read(&bytes, shared.limits.json_depth)?;
    let existing = options.existing;
    let reply = shared.node.call_key(&key, handler, args).options(options).json().await;
    let reply = reply.inspect_err(|error| shared.gate.noted(caller, existing, error))?;
    Ok(json::reply(&reply.value, reply.seq.number()))
}
