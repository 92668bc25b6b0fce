//! A WebSocket client that costs little, and the same for every server: frames are written beforehand, and
//! of those that come only the lengths are read.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::load::{Latency, Measured};

/// A connection whose handshake is over.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Socket {
    /// Connects and says hello. An echo answers that as well.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /v1/socket HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        anyhow::ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        let mut socket = Self { stream, buffer: Vec::new() };
        socket.say(r#"{"type":"hello","proto":1}"#).await?;
        socket.hear().await?;
        Ok(socket)
    }

    /// Connects and watches an object; returns when the state has come.
    pub(crate) async fn watch(address: SocketAddr, kind: &str, id: &str) -> anyhow::Result<Self> {
        let mut socket = Self::open(address).await?;
        socket.say(&format!(r#"{{"type":"watch","n":1,"kind":"{kind}","id":"{id}"}}"#)).await?;
        socket.hear().await?;
        socket.buffer = Vec::new();
        Ok(socket)
    }

    async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&frame(text)).await?)
    }

    /// The text of the next frame.
    pub(crate) async fn hear(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some((head, length)) = next(&self.buffer) {
                let text = self.buffer[head..head + length].to_vec();
                self.buffer.drain(..head + length);
                return Ok(text);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }

    /// Waits for so many frames, whatever they say.
    async fn skip(&mut self, mut frames: usize) -> anyhow::Result<()> {
        let mut at = 0;
        while frames > 0 {
            match next(&self.buffer[at..]) {
                Some((head, length)) => {
                    at += head + length;
                    frames -= 1;
                }
                None => {
                    self.buffer.drain(..at);
                    at = 0;
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        bail!("the server closed the connection");
                    }
                }
            }
        }
        self.buffer.drain(..at);
        Ok(())
    }
}

/// Calls over so many connections, each with so many calls under way, from one thread of its own.
pub(crate) fn pipelined(
    address: SocketAddr,
    connections: usize,
    window: usize,
    time: Duration,
) -> anyhow::Result<Measured> {
    let called = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut open = Vec::with_capacity(connections);
            for _ in 0..connections {
                open.push(Socket::open(address).await?);
            }
            let start = Instant::now();
            let tasks: Vec<_> = open
                .into_iter()
                .enumerate()
                .map(|(caller, socket)| tokio::spawn(call(socket, caller, window, start + time)))
                .collect();
            let mut latency = Latency::new();
            for task in tasks {
                latency.add(&task.await??);
            }
            anyhow::Ok(latency.over(start.elapsed()))
        })
    });
    called.join().map_err(|_| anyhow::anyhow!("the client panicked"))?
}

async fn call(mut socket: Socket, caller: usize, window: usize, stop: Instant) -> anyhow::Result<Latency> {
    let text = |n: usize| {
        format!(
            r#"{{"type":"call","n":{n},"kind":"Volatile","id":"{caller}","handler":"increment","args":{{"amount":1}}}}"#
        )
    };
    let frames: Vec<u8> = (0..window).flat_map(|n| frame(&text(n))).collect();
    let mut latency = Latency::new();
    let mut before = Instant::now();
    while before < stop {
        socket.stream.write_all(&frames).await?;
        socket.skip(window).await?;
        let after = Instant::now();
        (0..window).for_each(|_| latency.note(after - before));
        before = after;
    }
    Ok(latency)
}

/// A text frame of a client. Its mask is zero, which changes nothing.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Head and length of the first frame, if all of it is there.
fn next(buffer: &[u8]) -> Option<(usize, usize)> {
    let (head, length) = match *buffer.get(1)? {
        short @ 0..126 => (2, usize::from(short)),
        126 => (4, usize::from(u16::from_be_bytes([*buffer.get(2)?, *buffer.get(3)?]))),
        _ => return None,
    };
    (buffer.len() >= head + length).then_some((head, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_when_all_of_it_is_there() {
        assert_eq!(next(&[0x81, 2, b'h', b'i', 0x81]), Some((2, 2)));
        assert_eq!(next(&[0x81, 2, b'h']), None);
        let long = [&[0x81, 126, 1, 0][..], &[0; 256]].concat();
        assert_eq!(next(&long), Some((4, 256)));
        assert_eq!(next(&long[..200]), None);
        assert_eq!(frame("hi"), [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    }
}
