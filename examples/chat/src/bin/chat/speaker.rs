//! What this client says, in the order it was typed.

use abide::{Client, Objects, Ref};
use chat_example::ChatRoom;
use tokio::sync::mpsc;

/// How many lines may wait for the server.
pub(crate) const UNSENT_MAX: usize = 100;
/// How long a line waits for the server to come back.
const PATIENCE: &str = "12h";

/// Something to do in a room.
pub(crate) struct Saying {
    pub(crate) room: String,
    pub(crate) act: Act,
}

pub(crate) enum Act {
    Join,
    Leave,
    Say(String),
}

/// Does one after the other. Each takes effect once, however often the connection breaks on the way.
pub(crate) async fn speak(
    client: Client,
    name: String,
    mut sayings: mpsc::Receiver<Saying>,
    failures: mpsc::Sender<String>,
) {
    while let Some(Saying { room, act }) = sayings.recv().await {
        let object: Ref<ChatRoom> = client.object::<ChatRoom>(&room);
        let done = match &act {
            Act::Join => object.join(name.clone()).timeout(PATIENCE).await.map(drop),
            Act::Leave => object.leave(name.clone()).timeout(PATIENCE).await,
            Act::Say(text) => object.say(name.clone(), text.clone()).timeout(PATIENCE).await.map(drop),
        };
        let Err(error) = done else { continue };
        let what = match act {
            Act::Join => format!("! you are not in {room}: {}", error.detail()),
            Act::Leave => format!("! you are still in {room}: {}", error.detail()),
            Act::Say(text) => format!("! not said in {room}: {text:?}: {}", error.detail()),
        };
        if failures.send(what).await.is_err() {
            return;
        }
    }
}
