//! A chat for terminals: `cargo run -p chat-example -- --name alice`.
//!
//! It is written with `abide::Client`. What is typed while the server is away waits, and is said once when it is
//! back; what others said in between is shown then.

#![expect(clippy::disallowed_methods, reason = "its tasks and its thread end with the program")]

mod app;
mod input;
mod room;
mod screen;
mod speaker;

use std::time::Duration;

use abide::{Abide, Backoff, Client};
use clap::Parser;

use crate::{app::App, screen::Screen};

/// Talk in rooms whose lines survive whatever happens to the server.
#[derive(Parser)]
struct Arguments {
    /// A server; give several for failover.
    #[arg(long, default_value = "http://127.0.0.1:7070")]
    server: Vec<String>,
    /// Your name.
    #[arg(long, required_unless_present = "serve")]
    name: Option<String>,
    /// The room to begin in.
    #[arg(long, default_value = "hall")]
    room: String,
    /// A token, where the server asks who is calling.
    #[arg(long, env = "ABIDE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Be a server for chats alone at this address instead.
    #[arg(long, value_name = "ADDRESS")]
    serve: Option<String>,
    /// Where that server keeps its rooms.
    #[arg(long, default_value = "sqlite:chat.db")]
    store: String,
}

#[tokio::main]
async fn main() -> abide::Result<()> {
    let arguments = Arguments::parse();
    if let Some(address) = &arguments.serve {
        let abide = chat_example::register(Abide::open(&arguments.store)).start().await?;
        return abide.serve(address).await;
    }
    // Somebody waits at the keyboard.
    let backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(3), ..Backoff::default() };
    let mut client = Client::builder().session("ChatSession").backoff(backoff);
    for server in &arguments.server {
        client = client.address(server);
    }
    if let Some(token) = &arguments.token {
        client = client.token(token);
    }
    let client = client.connect().await?;
    let screen = Screen::new();
    let typed = input::start(&screen);
    let name = arguments.name.unwrap_or_default();
    App::new(client, screen, name).run(typed, &arguments.room).await
}
