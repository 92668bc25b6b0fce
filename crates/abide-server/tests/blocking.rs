//! A handler that blocks its thread is named in the log and counted, and its deadline is told as it is.

#![allow(clippy::disallowed_methods, reason = "what is tested is a thread that sleeps")]
#![allow(missing_docs, reason = "the kinds of the tests are for the tests")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use abide::{Code, prelude::*};
use tracing_subscriber::fmt::MakeWriter;

#[derive(State, Default)]
struct Sleeper {
    slept: u64,
}

#[object]
impl Sleeper {
    /// Sleeps as nobody should.
    #[handler]
    fn sleep(&mut self, ms: u64) {
        thread::sleep(Duration::from_millis(ms));
        self.slept += 1;
    }

    /// Sleeps as nobody should, in a handler that could wait.
    #[handler]
    async fn doze(&mut self, ms: u64) {
        tokio::task::yield_now().await;
        thread::sleep(Duration::from_millis(ms));
        self.slept += 1;
    }

    /// Waits as everybody should.
    #[handler]
    async fn wait(&mut self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().map(str::to_owned).collect()
    }

    fn has(&self, words: &[&str]) -> bool {
        self.lines().iter().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn a_handler_that_blocks_is_named_in_the_log_and_counted() {
    let log = Log::default();
    tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).init();
    let metrics = abide_server::install_metrics();
    let abide = Abide::open("memory:").register::<Sleeper>().start().await.unwrap();
    let call = |id: &'static str, handler: &'static str, ms: u64| {
        let call = abide.call::<()>("Sleeper", id, handler, json!({ "ms": ms }));
        tokio::spawn(call.timeout("500ms").into_future())
    };
    let late = call("a", "sleep", 3500).await.unwrap().unwrap_err();
    assert_eq!((late.code(), late.is_maybe_applied()), (Code::Deadline, true), "{late}");
    tokio::time::sleep(Duration::from_millis(4000)).await;
    assert!(log.has(&["WARN", "blocks its thread", "Sleeper/a", "sleep", "for_seconds=2"]), "{:#?}", log.lines());
    assert!(log.has(&["WARN", "that blocked is back", "Sleeper", "sleep"]), "{:#?}", log.lines());
    let state = abide.object::<Sleeper>("a").load().await.unwrap().state;
    assert_eq!(state.slept, 1, "it may have taken effect, and has");

    let dozes = call("b", "doze", 3500);
    let waits = abide.object::<Sleeper>("c");
    waits.wait(3500).await.unwrap();
    dozes.await.unwrap().unwrap_err();
    assert!(log.has(&["WARN", "blocks its thread", "Sleeper", "doze"]), "{:#?}", log.lines());
    assert!(!log.has(&["blocks its thread", "handler=\"wait\""]), "{:#?}", log.lines());
    let shown = metrics.render();
    for handler in ["sleep", "doze"] {
        let line = format!("abide_turns_blocked_total{{kind=\"Sleeper\",handler=\"{handler}\"}} 1");
        assert!(shown.contains(&line), "{line}: {shown}");
    }
}
