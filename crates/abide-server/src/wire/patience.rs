use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// How long the other side may take nothing of what is written.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    /// While something waits to be taken: until when.
    until: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, until: None }
    }

    /// The same, or `TimedOut` if nothing was taken for too long.
    pub(super) fn poll<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.until = None;
            return written;
        }
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        until.as_mut().poll(cx).map(|()| {
            self.until = None;
            Err(io::Error::new(io::ErrorKind::TimedOut, "the other side takes nothing"))
        })
    }
}
