//! What this client says, in the order it was typed.

use abide::{Client, Objects, Ref, Result};
use chat_example::{ChatRoom, ChatSession, Refusal};
use tokio::sync::mpsc;

/// How many lines may wait for the server.
pub(crate) const UNSENT_MAX: usize = 100;
/// How long a line waits for the server to come back.
const PATIENCE: &str = "12h";
/// How long the session is waited for.
const ASK: &str = "5s";

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
            Act::Join => join(&client, &object, &name, &room).await,
            Act::Leave => leave(&client, &object, &name, &room).await,
            Act::Say(text) => say(&object, &name, text).await,
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

async fn join(client: &Client, object: &Ref<ChatRoom>, name: &str, room: &str) -> Result<()> {
    object.join(name.to_owned()).timeout(PATIENCE).await?;
    // What the session does not hear now it hears when the server is back.
    let _ = introduce(client, name, [room.to_owned()]).await;
    Ok(())
}

async fn leave(client: &Client, object: &Ref<ChatRoom>, name: &str, room: &str) -> Result<()> {
    object.leave(name.to_owned()).timeout(PATIENCE).await?;
    if let Some(id) = client.id() {
        // A session that is gone knows no room.
        let _ = client.object::<ChatSession>(&id).leave(room.to_owned()).timeout(ASK).await;
    }
    Ok(())
}

async fn say(object: &Ref<ChatRoom>, name: &str, text: &str) -> Result<()> {
    let line = || object.say(name.to_owned(), text.to_owned()).timeout(PATIENCE);
    match line().await {
        // A session of this name has ended meanwhile, and left the room.
        Err(error) if error.rejection() == Some(Refusal::NotJoined) => {
            object.join(name.to_owned()).timeout(PATIENCE).await?;
            line().await.map(drop)
        }
        said => said.map(drop),
    }
}

/// Tells the session who its client is and where, so that it leaves these rooms when the client has left.
pub(crate) async fn introduce(client: &Client, name: &str, rooms: impl IntoIterator<Item = String>) -> Result<()> {
    let Some(id) = client.id() else { return Ok(()) };
    let session = client.object::<ChatSession>(&id);
    session.enter(name.to_owned()).timeout(ASK).await?;
    for room in rooms {
        session.join(room).timeout(ASK).await?;
    }
    Ok(())
}
