//! A node and its server on a free port, and a client.

use std::{net::SocketAddr, time::Duration};

use abide::{Abide, Key, Node, NodeOptions, Result};
use abide_server::{Server, ServerOptions};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode},
    response::Response,
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::kinds::{Counter, Forgetful, Narrow, Tree};

/// Nothing in a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) node: Node,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<Result<()>>,
    client: Client<HttpConnector, Body>,
    _dir: Option<tempfile::TempDir>,
}

/// How a world is made.
pub(crate) struct Plan {
    url: Option<String>,
    dir: Option<tempfile::TempDir>,
    node: NodeOptions,
    server: ServerOptions,
    routes: Router,
}

impl Plan {
    pub(crate) fn node(mut self, change: impl FnOnce(&mut NodeOptions)) -> Self {
        change(&mut self.node);
        self
    }

    pub(crate) fn server(mut self, change: impl FnOnce(&mut ServerOptions)) -> Self {
        change(&mut self.server);
        self
    }

    pub(crate) fn routes(mut self, routes: Router) -> Self {
        self.routes = routes;
        self
    }

    pub(crate) async fn start(self) -> World {
        let options = self.node;
        let abide = Abide::open(self.url.unwrap_or_else(|| "memory:".into()))
            .register::<Counter>()
            .register::<Forgetful>()
            .register::<Narrow>()
            .register::<Tree>()
            .configure(|to| *to = options)
            .start()
            .await
            .unwrap();
        let node = abide.node().clone();
        let server = Server::bind(node.clone(), self.server).await.unwrap().extra_routes(self.routes);
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let running = tokio::spawn(server.run_until(stop.clone().cancelled_owned()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        World { address, node, stop, running, client, _dir: self.dir }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem with this status and code, whose detail has this word.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str, word: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:abide:error:{code}"));
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{word:?} is not in {detail:?}");
        body
    }

    /// Checks that this is a success, and answers with its body.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }
}

impl World {
    pub(crate) fn plan() -> Plan {
        Plan {
            url: None,
            dir: None,
            node: NodeOptions::default(),
            server: ServerOptions::on("127.0.0.1:0"),
            routes: Router::new(),
        }
    }

    pub(crate) async fn new() -> Self {
        Self::plan().start().await
    }

    /// On SQLite.
    pub(crate) async fn durable() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("abide.db").display());
        Plan { url: Some(url), dir: Some(dir), ..Self::plan() }.start().await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until a call has reached an object.
    pub(crate) async fn until_in_memory(&self, kind: &str, id: &str) {
        let key = Key::parse("default", kind, id).unwrap();
        let reached = async {
            while !self.node.activity(&key).in_memory {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("no call reached the object in time");
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(self.url(path))
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response<Incoming> {
        timeout(PATIENCE, self.client.request(request)).await.expect("no answer in time").unwrap()
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        whole(self.open(request).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    /// Reads with a token.
    pub(crate) async fn get_with(&self, path: &str, token: &str) -> Answer {
        self.send_with("GET", path, token, &[]).await
    }

    /// Sends a request without a body, with a token and more headers.
    pub(crate) async fn send_with(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.request(method, path).header("authorization", format!("Bearer {token}"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.post_with(path, body, &[]).await
    }

    /// Posts JSON with more headers.
    pub(crate) async fn post_with(&self, path: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.request("POST", path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::new(Full::new(body.into()))).unwrap()).await
    }

    /// Sends bytes as they are and reads until the server closes the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_all(&mut stream).await
    }

    /// Stops the server and waits for it.
    pub(crate) async fn stopped(self) -> Result<()> {
        self.stop.cancel();
        timeout(PATIENCE, self.running).await.expect("the server did not stop").unwrap()
    }
}

/// Everything until the end of the stream.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that is reset has ended, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the connection stayed open");
    String::from_utf8_lossy(&text).into_owned()
}

pub(crate) async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = timeout(PATIENCE, body.collect()).await.expect("no end in time").unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, bytes }
}
