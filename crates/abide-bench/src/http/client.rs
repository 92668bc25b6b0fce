//! A client that costs little, and the same for every server: requests are written beforehand, and of
//! an answer only the status and the length are read.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::load::{Latency, Measured, Walk};

/// Requests ready to be sent, one for each object.
#[derive(Clone)]
pub(crate) struct Requests {
    address: SocketAddr,
    texts: Arc<[Box<[u8]>]>,
}

impl Requests {
    /// Calls of `increment`, one for each object.
    pub(crate) fn increments(address: SocketAddr, objects: usize) -> Self {
        const BODY: &str = r#"{"amount":1}"#;
        let text = |object: usize| {
            let length = BODY.len();
            format!(
                "POST /v1/objects/Counter/{object}/increment HTTP/1.1\r\nhost: {address}\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{BODY}"
            )
            .into_bytes()
            .into_boxed_slice()
        };
        Self { address, texts: (0..objects).map(text).collect() }
    }

    /// Sends them over so many connections, each in a closed loop, from one thread of its own.
    pub(crate) fn send(&self, connections: usize, time: Duration) -> anyhow::Result<Measured> {
        let requests = self.clone();
        let sent = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(requests.closed_loop(connections, time))
        });
        sent.join().map_err(|_| anyhow::anyhow!("the client panicked"))?
    }

    async fn closed_loop(self, connections: usize, time: Duration) -> anyhow::Result<Measured> {
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(Connection::open(self.address).await?);
        }
        let start = Instant::now();
        let tasks: Vec<_> = open
            .into_iter()
            .enumerate()
            .map(|(caller, connection)| {
                let walk = Walk::new(caller, self.texts.len());
                tokio::spawn(call(connection, self.texts.clone(), walk, start + time))
            })
            .collect();
        let mut latency = Latency::new();
        for task in tasks {
            latency.add(&task.await??);
        }
        Ok(latency.over(start.elapsed()))
    }
}

async fn call(
    mut connection: Connection,
    texts: Arc<[Box<[u8]>]>,
    mut walk: Walk,
    stop: Instant,
) -> anyhow::Result<Latency> {
    let mut latency = Latency::new();
    let mut before = Instant::now();
    while before < stop {
        connection.exchange(&texts[walk.next()]).await?;
        let after = Instant::now();
        latency.note(after - before);
        before = after;
    }
    Ok(latency)
}

/// A connection that is kept alive.
struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 4_096].into() })
    }

    /// Sends a request and reads the whole answer.
    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        let (mut have, mut whole) = (0, None);
        while whole.is_none_or(|whole| have < whole) {
            let read = self.stream.read(&mut self.buffer[have..]).await?;
            if read == 0 {
                bail!("the server closed the connection, or its answer is longer than the buffer");
            }
            have += read;
            whole = whole.or(length(&self.buffer[..have])?);
        }
        Ok(())
    }
}

/// The length of a whole answer, once its head is there.
fn length(answer: &[u8]) -> anyhow::Result<Option<usize>> {
    const NAME: &[u8] = b"content-length: ";
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    if !answer.starts_with(b"HTTP/1.1 200") {
        bail!("an answer is not 200: {}", String::from_utf8_lossy(answer));
    }
    let head_bytes = &answer[..head];
    let at = head_bytes.windows(NAME.len()).position(|name| name.eq_ignore_ascii_case(NAME)).context("no length")?;
    let digits = head_bytes[at + NAME.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let body = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Ok(Some(head + 4 + body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_known_with_its_head() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\na: b\r\n\r\n";
        assert_eq!(length(answer).unwrap(), Some(answer.len() + 12));
        assert_eq!(length(&answer[..20]).unwrap(), None);
        assert!(length(b"HTTP/1.1 503 no\r\n\r\n").is_err());
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
