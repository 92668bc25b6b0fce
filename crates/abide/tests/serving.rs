//! A program that serves its objects and does nothing else.
#![allow(missing_docs, reason = "the kinds of the tests are for the tests")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use abide::prelude::*;

#[derive(State, Default)]
struct Bell {
    rung: u64,
}

#[object]
impl Bell {
    #[handler]
    fn ring(&mut self) -> u64 {
        self.rung += 1;
        self.rung
    }
}

/// The program, run by the test below in a process of its own.
#[tokio::test]
async fn program() {
    if std::env::var_os("ABIDE_SERVES").is_none() {
        return;
    }
    let abide = Abide::open("memory:").register::<Bell>().metrics().start().await.unwrap();
    abide.serve("127.0.0.1:0").await.unwrap();
}

/// Ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_program_without_a_log_says_where_it_listens_and_shows_metrics() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "program", "--nocapture"]).env("ABIDE_SERVES", "1");
    let mut program = Program(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(program.0.stderr.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.contains("http://")).expect("a line with an address");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    assert!(ask(address, "POST /v1/objects/Bell/door/ring").starts_with("HTTP/1.1 200"));
    let metrics = ask(address, "GET /metrics");
    let counted = r#"abide_calls_total{kind="Bell",handler="ring",outcome="ok"} 1"#;
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains(counted), "{metrics}");
}
