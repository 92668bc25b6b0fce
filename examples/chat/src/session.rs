//! A connected client's own object.

use abide::{collection::Set, prelude::*};

use crate::room::{ChatRoom, Line, Refusal, name_of};

/// How many lines a client gets when it comes into a room.
const LINES: usize = 20;
const WHISPER_MAX: usize = 1000;

/// Who a client is, and the rooms it went into.
#[derive(Debug, Default, State)]
pub struct ChatSession {
    name: String,
    rooms: Set<String>,
}

/// A client's own object: it speaks in rooms under one name, whispers, and leaves its rooms when the client
/// has left. It lives as long as the client is connected.
#[object(session)]
impl ChatSession {
    /// Says who the client is; the name as it counts.
    #[handler]
    pub fn enter(&mut self, ctx: &mut Context, name: String) -> Result<String, Refusal> {
        self.name = name_of(ctx, &name)?;
        Ok(self.name.clone())
    }

    /// Goes into a room; its last lines.
    #[handler]
    pub async fn join(&mut self, ctx: &mut Context, room: String) -> Result<Vec<Line>> {
        let object = ctx.object::<ChatRoom>(&room);
        object.join(self.name.clone()).await?;
        self.rooms.insert(room);
        object.messages(LINES).await
    }

    /// Leaves a room.
    #[handler]
    pub async fn leave(&mut self, ctx: &mut Context, room: String) -> Result<()> {
        ctx.object::<ChatRoom>(&room).leave(self.name.clone()).await?;
        self.rooms.remove(&room);
        Ok(())
    }

    /// Says something in a room; the number of the line.
    #[handler]
    pub async fn say(&mut self, ctx: &mut Context, room: String, text: String) -> Result<u64> {
        ctx.object::<ChatRoom>(&room).say(self.name.clone(), text).await
    }

    /// Says something to one client alone: it is pushed there, and kept nowhere.
    #[handler]
    pub fn whisper(&mut self, ctx: &mut Context, client: String, text: String) -> Result<(), Refusal> {
        if self.name.is_empty() {
            return Err(Refusal::Name);
        }
        if text.trim().is_empty() || text.chars().count() > WHISPER_MAX {
            return Err(Refusal::Text);
        }
        ctx.push(client, json!({"whisper": {"from": self.name, "text": text.trim()}}));
        Ok(())
    }

    /// The client has left: so it is in no room any more.
    #[hook]
    async fn on_disconnect(&mut self, ctx: &mut Context) -> Result<()> {
        for room in &self.rooms {
            ctx.object::<ChatRoom>(room).leave(self.name.clone()).await?;
        }
        Ok(())
    }
}
