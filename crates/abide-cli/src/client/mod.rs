//! A small HTTP client for the commands: plain HTTP/1.1 over one connection at a time.

mod connection;
mod events;
mod fault;
mod tls;
mod url;

use std::time::Duration;

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use serde_json::{Value, json};
use tokio::time::timeout;

pub(crate) use connection::{Body, Connection};
pub(crate) use events::{Event, EventStream};
pub(crate) use tls::Certificates;
pub(crate) use url::{BaseUrl, encode, object_path, query};

use self::tls::Tls;
use crate::failure::{Failure, Outcome};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much longer than the call's own deadline to wait for an answer.
const GRACE: Duration = Duration::from_secs(5);
/// How long a call may take if it does not say otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Speaks with one node.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    base: BaseUrl,
    tls: Option<Tls>,
    /// Whether a certificate is shown to the node.
    certified: bool,
    headers: HeaderMap,
}

/// A call to make.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallRequest<'a> {
    /// The kind, the id and the handler.
    pub(crate) target: [&'a str; 3],
    /// The arguments as JSON; nothing is sent without.
    pub(crate) args: Option<&'a Value>,
    /// The idempotency key.
    pub(crate) key: Option<&'a str>,
    /// How long the node may take, for example `2s`.
    pub(crate) timeout: Option<(&'a str, Duration)>,
}

impl Client {
    /// A client of the node at this address.
    pub(crate) fn new(url: &str, certificates: &Certificates) -> Outcome<Self> {
        let base = BaseUrl::parse(url)?;
        let tls = base.is_secure().then(|| Tls::new(certificates)).transpose()?;
        Ok(Self { base, tls, certified: certificates.are_shown(), headers: HeaderMap::new() })
    }

    /// The same client, which shows this token and names this tenant with every request.
    pub(crate) fn known_by(mut self, token: Option<&str>, namespace: Option<&str>) -> Outcome<Self> {
        let unusable = |what: &str| Failure::usage(format!("{what} has characters that cannot be sent"));
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| unusable("the token"))?;
            value.set_sensitive(true);
            self.headers.insert(header::AUTHORIZATION, value);
        }
        if let Some(namespace) = namespace {
            let value = HeaderValue::from_str(namespace).map_err(|_| unusable("the namespace"))?;
            self.headers.insert("abide-namespace", value);
        }
        Ok(self)
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Outcome<Connection> {
        match timeout(CONNECT_TIMEOUT, Connection::open(&self.base, self.tls.as_ref())).await {
            Ok(connected) => connected.map_err(|error| self.unconnected(&error)),
            Err(_) => Err(self.unreachable("nothing answers")),
        }
    }

    /// Calls a handler: `{"result": …, "seq": …}`.
    pub(crate) async fn call(&self, call: CallRequest<'_>) -> Outcome<Value> {
        let mut request = self.request(Method::POST, &object_path(&call.target));
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key);
        }
        if let Some((text, _)) = call.timeout {
            request = request.header("abide-timeout", text);
        }
        let body = match call.args {
            Some(args) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(args.to_string())
            }
            None => Bytes::new(),
        };
        let wait = call.timeout.map_or(CALL_TIMEOUT, |(_, wait)| wait) + GRACE;
        self.exchange(request, body, wait).await
    }

    /// Reads a JSON resource.
    pub(crate) async fn get(&self, path: &str) -> Outcome<Value> {
        self.exchange(self.request(Method::GET, path), Bytes::new(), CALL_TIMEOUT).await
    }

    /// Asks for something to be done that needs no arguments.
    pub(crate) async fn post(&self, path: &str) -> Outcome<Value> {
        self.exchange(self.request(Method::POST, path), Bytes::new(), CALL_TIMEOUT).await
    }

    /// Deletes a resource.
    pub(crate) async fn delete(&self, path: &str) -> Outcome<Value> {
        self.exchange(self.request(Method::DELETE, path), Bytes::new(), CALL_TIMEOUT).await
    }

    /// Opens a stream of server-sent events, after the last one seen if there is one.
    pub(crate) async fn events(&self, path: &str, last: Option<&str>) -> Outcome<EventStream> {
        let mut request = self.request(Method::GET, path).header(header::ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let (connection, response) = self.send(request, Bytes::new(), CALL_TIMEOUT).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        Ok(EventStream::new(connection, response.into_body()))
    }

    /// A request to this node, to be sent over a connection to it.
    pub(crate) fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder().method(method).uri(self.base.path(path));
        let request = request.header(header::HOST, self.base.authority());
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    async fn exchange(&self, request: hyper::http::request::Builder, body: Bytes, wait: Duration) -> Outcome<Value> {
        let (_connection, response) = self.send(request, body, wait).await?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let bytes = timeout(wait, Connection::read(response)).await.map_err(|_| self.silent())??;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|e| Failure::new("answer", format!("the answer is not JSON: {e}")))
    }

    async fn send(
        &self,
        request: hyper::http::request::Builder,
        body: Bytes,
        wait: Duration,
    ) -> Outcome<(Connection, Response<Incoming>)> {
        let request = request.body(Body::new(body)).map_err(|e| Failure::usage(format!("this cannot be sent: {e}")))?;
        let mut connection = self.connect().await?;
        let answered = timeout(wait, connection.send(request)).await.map_err(|_| self.silent())?;
        let response = answered.map_err(|error| self.lost(&error))?;
        Ok((connection, response))
    }

    fn unconnected(&self, error: &std::io::Error) -> Failure {
        fault::of_tls(error, &self.base.authority()).unwrap_or_else(|| self.unreachable(&error.to_string()))
    }

    fn unreachable(&self, why: &str) -> Failure {
        let address = self.base.authority();
        Failure::new("unreachable", format!("no node answers at {address}: {why}"))
            .hint("is a node running? start one with `abide serve`, or name another with --url")
    }

    fn lost(&self, why: &hyper::Error) -> Failure {
        let address = self.base.authority();
        if let Some(failure) = fault::of_tls(why, &address) {
            return failure;
        }
        if why.is_parse() && self.tls.is_none() {
            return Failure::new("unreachable", format!("{address} does not speak plain HTTP: {why}"))
                .hint("the address of a node with [tls] begins with https://");
        }
        Failure::new("unavailable", format!("the connection to {address} was lost: {why}; the request may have run"))
            .hint("look with `abide get`, or repeat a call with --key: then it takes effect once")
    }

    fn silent(&self) -> Failure {
        let address = self.base.authority();
        Failure::new("deadline", format!("{address} did not answer in time; the request may still run"))
    }

    /// What the node answered instead of a result, with a hint if it asks who is calling and was not told.
    async fn refused(&self, response: Response<Incoming>) -> Failure {
        let failure = failure_of(response).await;
        if failure.lacks_token() && !self.certified {
            return failure.hint("no token was shown: put one into ABIDE_TOKEN, or give --token");
        }
        failure
    }
}

/// What a node answered instead of a result.
async fn failure_of(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let body = Connection::read(response).await.unwrap_or_default();
    match serde_json::from_slice::<Value>(&body) {
        Ok(problem) if problem["code"].is_string() => Failure::problem(problem),
        _ => {
            let text = String::from_utf8_lossy(&body).chars().take(200).collect::<String>();
            let detail = format!("{status}: {}", text.trim());
            Failure::problem(json!({"code": "http", "status": status.as_u16(), "detail": detail}))
        }
    }
}
