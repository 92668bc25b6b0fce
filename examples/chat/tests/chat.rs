//! Rooms and the lobby, under a virtual clock.
#![allow(missing_docs)]

use abide::{prelude::*, testing};
use chat_example::{ChatLobby, ChatRoom, LOBBY, Refusal};

#[test]
fn what_is_said_is_kept_in_order_and_survives_a_crash() -> Result<()> {
    testing::run(|world| async move {
        let world = world.register::<ChatLobby>().register::<ChatRoom>().start().await;
        let room = world.object::<ChatRoom>("kitchen");
        room.join("ada".into()).await?;
        room.join("bob".into()).await?;
        for n in 1..=120_u64 {
            let name = if n % 2 == 0 { "ada" } else { "bob" };
            assert_eq!(room.say(name.into(), format!("line {n}")).await?, n);
        }
        world.crash_and_restart().await;
        let room = world.object::<ChatRoom>("kitchen");
        let numbers: Vec<_> = room.messages(1000).await?.iter().map(|line| line.n).collect();
        assert_eq!(numbers, Vec::from_iter(21..=120));
        assert_eq!(room.messages(1).await?[0].text, "line 120");
        assert_eq!(room.members().await?, ["ada", "bob"]);
        Ok(())
    })
}

#[test]
fn the_lobby_lists_rooms_the_liveliest_first() -> Result<()> {
    testing::run(|world| async move {
        let world = world.register::<ChatLobby>().register::<ChatRoom>().start().await;
        for room in ["kitchen", "garden"] {
            world.object::<ChatRoom>(room).join("ada".into()).await?;
            world.advance("1s").await;
        }
        world.object::<ChatRoom>("kitchen").say("ada".into(), "hello".into()).await?;
        world.advance("1s").await;
        let rooms = world.object::<ChatLobby>(LOBBY).rooms().await?;
        let names: Vec<_> = rooms.iter().map(|(name, listed)| (name.as_str(), listed.lines, listed.members)).collect();
        assert_eq!(names, [("kitchen", 1, 1), ("garden", 0, 1)]);
        Ok(())
    })
}

#[test]
fn a_room_refuses_strangers_and_what_is_too_long() -> Result<()> {
    testing::run(|world| async move {
        let world = world.register::<ChatLobby>().register::<ChatRoom>().start().await;
        let room = world.object::<ChatRoom>("kitchen");
        let say = |name: &str, text: &str| room.say(name.into(), text.into());
        assert_eq!(say("eve", "hi").await.unwrap_err().rejection(), Some(Refusal::NotJoined));
        room.join(" ada ".into()).await?;
        assert_eq!(say("ada", " ").await.unwrap_err().rejection(), Some(Refusal::Text));
        assert_eq!(say("ada", &"x".repeat(1001)).await.unwrap_err().rejection(), Some(Refusal::Text));
        assert_eq!(room.join("a\nb".into()).await.unwrap_err().rejection(), Some(Refusal::Name));
        room.leave("ada".into()).await?;
        assert_eq!(say("ada", "hi").await.unwrap_err().rejection(), Some(Refusal::NotJoined));
        assert!(room.messages(10).await?.is_empty());
        Ok(())
    })
}
