//! Chat: rooms with history, a lobby that lists them, presence and typing.
//!
//! | kind | is |
//! |---|---|
//! | [`ChatRoom`] | one room: who has joined, and what was said |
//! | [`ChatSession`] | a connected client's own object: its name, its rooms, whispers |
//! | [`ChatLobby`] | the list of rooms; each room tells it about itself with a durable message |
//!
//! Who is looking and who is typing is presence: the clients show it to each other beside the room, and
//! nothing of it is stored.

mod lobby;
mod page;
mod room;
mod session;

pub use lobby::{ChatLobby, Listed};
pub use page::{File, PAGE};
pub use room::{ChatRoom, ChatRoomRef, Line, Refusal};
pub use session::{ChatSession, ChatSessionRef};

/// The lobby that every room tells about itself.
pub const LOBBY: &str = "main";

/// Registers the kinds.
pub fn register(builder: abide::Builder) -> abide::Builder {
    builder.register::<ChatLobby>().register::<ChatRoom>().register::<ChatSession>()
}
