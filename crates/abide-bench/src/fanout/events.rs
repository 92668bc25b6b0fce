//! Watchers over HTTP or WebSockets: very many streams of events, read by one thread.

use std::{net::SocketAddr, sync::mpsc, thread, thread::JoinHandle};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

use super::{Heard, Over};
use crate::frames::Socket;

/// Watchers that listen until they are dropped.
pub(crate) struct Watchers {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Watchers {
    /// Connects so many; all of them have got the head of their stream when this returns.
    pub(crate) fn connect(address: SocketAddr, over: Over, watchers: usize, heard: Heard) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                for _ in 0..watchers {
                    match over {
                        Over::Events => drop(tokio::spawn(listen(watch(address).await?, heard.clone()))),
                        Over::Sockets => {
                            let socket = Socket::watch(address, "Counter", "1").await?;
                            tokio::spawn(hear(socket, heard.clone()));
                        }
                    }
                }
                ready.send(())?;
                let _ = stopped.await;
                anyhow::Ok(())
            })
        });
        let watchers = Self { stop: Some(stop), thread: Some(thread) };
        is_ready.recv().map_err(|_| anyhow::anyhow!("the watchers could not connect"))?;
        Ok(watchers)
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn watch(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET /v1/objects/Counter/1/changes?after=now HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 512];
    let read = stream.read(&mut head).await?;
    anyhow::ensure!(head[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head[..read]));
    Ok(stream)
}

/// Notes each event when its last line is there.
async fn listen(mut stream: TcpStream, heard: Heard) -> std::io::Result<()> {
    let mut buffer = [0; 2_048];
    let (mut line, mut seq) = (Vec::with_capacity(512), None);
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        for byte in &buffer[..read] {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            if let Some(digits) = line.strip_prefix(b"id: ") {
                seq = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            } else if line.is_empty()
                && let Some(seq) = seq.take()
            {
                heard.note(seq);
            }
            line.clear();
        }
    }
}

/// Notes each change.
async fn hear(mut socket: Socket, heard: Heard) -> anyhow::Result<()> {
    const SEQ: &[u8] = b"\"seq\":";
    loop {
        let text = socket.hear().await?;
        let at = text.windows(SEQ.len()).position(|window| window == SEQ).map(|at| at + SEQ.len());
        let digits = text[at.unwrap_or(text.len())..].iter().take_while(|byte| byte.is_ascii_digit());
        heard.note(digits.fold(0, |seq, digit| seq * 10 + u64::from(digit - b'0')));
    }
}
