//! A connection's bytes, between the socket and hyper: queries that were typed are encoded on the way in,
//! and refusals that hyper writes by itself get a body on the way out.

mod heads;
mod patience;
mod refusal;

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::{
    heads::{Arrived, Heads},
    patience::Patience,
    refusal::explained,
};
use crate::stranger::Stranger;

/// Whether a request was handed to the program since something was last written: what is written then is
/// an answer of the program, and of hyper itself otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    /// A request was handed to the program.
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream as hyper sees it.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    heads: Heads,
    /// What was looked at, and how much of it was read.
    ready: Vec<u8>,
    read: usize,
    asked: Asked,
    /// What is written instead of a bare refusal, and how much of it was written.
    instead: Vec<u8>,
    written: usize,
    patience: Patience,
    stranger: Stranger,
}

impl<S> Wire<S> {
    /// A stream whose other side may take nothing for `write_timeout`, and send little while it is a stranger.
    pub(crate) fn new(
        stream: S,
        head_bytes_max: usize,
        write_timeout: Duration,
        asked: Asked,
        stranger: Stranger,
    ) -> Self {
        let (heads, patience) = (Heads::new(head_bytes_max), Patience::new(write_timeout));
        Self { stream, heads, ready: Vec::new(), read: 0, asked, instead: Vec::new(), written: 0, patience, stranger }
    }

    /// Takes a bare refusal that hyper writes by itself; whether it was one.
    fn explain(&mut self, buf: &[u8]) -> bool {
        if buf.starts_with(b"HTTP/1.")
            && !buf.starts_with(b"HTTP/1.1 100 ")
            && !self.asked.0.swap(false, Ordering::Relaxed)
        {
            self.instead = explained(buf).unwrap_or_default();
        }
        !self.instead.is_empty()
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.instead.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        (self.instead, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    fn poll_put(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        if self.explain(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_put_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
        match (filled.next(), filled.next()) {
            (Some(only), None) if self.explain(only) => Poll::Ready(Ok(only.len())),
            (Some(first), Some(_)) => {
                // A refusal has no body: this is an answer.
                if first.starts_with(b"HTTP/1.") {
                    self.asked.0.store(false, Ordering::Relaxed);
                }
                Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
            }
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (this, before) = (self.get_mut(), buf.filled().len());
        ready!(this.poll_take(cx, buf))?;
        if this.stranger.may_send(buf.filled().len() - before) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, Stranger::refusal())))
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    fn poll_take(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self;
        loop {
            let rest = &this.ready[this.read..];
            if !rest.is_empty() {
                let len = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..len]);
                this.read += len;
                return Poll::Ready(Ok(()));
            }
            (this.ready, this.read) = (Vec::new(), 0);
            if this.heads.is_over() {
                return Pin::new(&mut this.stream).poll_read(cx, buf);
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let arrived = &buf.filled()[before..];
            if arrived.is_empty() {
                this.heads.end(&mut this.ready);
                continue;
            }
            match this.heads.take(arrived, &mut this.ready) {
                Arrived::Untouched => return Poll::Ready(Ok(())),
                Arrived::Taken => buf.set_filled(before),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_put(cx, buf);
        this.patience.poll(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_put_vectored(cx, bufs);
        this.patience.poll(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = match this.poll_instead(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.stream).poll_flush(cx),
            other => other,
        };
        this.patience.poll(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = match this.poll_instead(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.stream).poll_shutdown(cx),
            other => other,
        };
        this.patience.poll(cx, shut)
    }
}
