//! The arena's clock, under a virtual one.
#![allow(missing_docs)]

use abide::{prelude::*, testing};
use arena_example::{Arena, Joined, Refusal};

#[test]
fn players_play_until_they_are_silent_and_nobody_steers_another() -> Result<()> {
    testing::run(|world| async move {
        let world = world.register::<Arena>().start().await;
        let arena = world.object::<Arena>("main");
        let hue = arena.join("ada".into(), "one".into()).await?;
        assert_ne!(arena.join("bob".into(), "two".into()).await?, hue);
        assert_eq!(arena.join("ada".into(), "one".into()).await?, hue);
        let other = arena.join("ada".into(), "other".into()).await?;
        assert_eq!(other, Joined::Refused(Refusal::Taken));
        assert!(!arena.steer("ada".into(), "other".into(), 1.0, 0.0).await?);
        for _ in 0..10 {
            assert!(arena.steer("ada".into(), "one".into(), 1.0, f32::NAN).await?);
            world.advance("1s").await;
        }
        assert!(!arena.steer("bob".into(), "two".into(), 0.0, 1.0).await?);
        arena.leave("ada".into(), "one".into()).await?;
        assert!(!arena.steer("ada".into(), "one".into(), 1.0, 0.0).await?);
        Ok(())
    })
}
