//! The list of rooms.

use std::cmp::Reverse;

use abide::{collection::Map, prelude::*};

/// How many rooms are listed; the one that was quiet longest makes place.
const ROOMS_MAX: usize = 200;

/// What the lobby knows of a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// How many lines were said.
    pub lines: u64,
    /// How many have joined.
    pub members: u64,
    /// When something last happened.
    pub active_at: Timestamp,
}

/// Which rooms there are.
#[derive(Debug, Default, State)]
pub struct ChatLobby {
    rooms: Map<String, Listed>,
}

/// The list of rooms, live for everyone who watches it.
#[object(history = 100)]
impl ChatLobby {
    /// A room tells how it is. It is sent as a durable message, in the commit of what happened there.
    #[handler]
    pub fn note(&mut self, ctx: &mut Context, room: String, lines: u64, members: u64) {
        if self.rooms.get(&room).is_none() && self.rooms.len() >= ROOMS_MAX {
            let quietest = self.rooms.iter().min_by_key(|(_, listed)| listed.active_at).map(|(name, _)| name.clone());
            if let Some(name) = quietest {
                self.rooms.remove(&name);
            }
        }
        self.rooms.insert(room, Listed { lines, members, active_at: ctx.now() });
    }

    /// The rooms, the liveliest first.
    #[handler]
    pub fn rooms(&self) -> Vec<(String, Listed)> {
        let mut rooms: Vec<_> = self.rooms.iter().map(|(name, listed)| (name.clone(), listed.clone())).collect();
        rooms.sort_by_key(|(_, listed)| Reverse(listed.active_at));
        rooms
    }
}
