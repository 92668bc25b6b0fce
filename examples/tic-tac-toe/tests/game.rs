//! Matches, under a virtual clock.
#![allow(missing_docs)]

use abide::{prelude::*, testing};
use tic_tac_toe_example::{Mark, Phase, Refusal, TicTacToe, TicTacToeRef};

async fn seated(game: &TicTacToeRef) -> Result<()> {
    assert_eq!(game.sit("ada".into()).await?, Mark::X);
    assert_eq!(game.sit("bob".into()).await?, Mark::O);
    Ok(())
}

async fn play(game: &TicTacToeRef, moves: &[(&str, usize)]) -> Result<()> {
    for (name, cell) in moves {
        game.play((*name).into(), *cell).await?;
    }
    Ok(())
}

#[test]
fn three_in_a_row_win_and_the_next_match_is_begun_by_the_other() -> Result<()> {
    testing::run(|world| async move {
        let world = world.register::<TicTacToe>().start().await;
        let game = world.object::<TicTacToe>("m");
        seated(&game).await?;
        play(&game, &[("ada", 4), ("bob", 0), ("ada", 2), ("bob", 1), ("ada", 6)]).await?;
        assert_eq!(game.phase().await?, Phase::Won);
        assert!(world.alarms::<TicTacToe>("m").is_empty());
        game.again("bob".into()).await?;
        let refusal = game.play("ada".into(), 4).await.unwrap_err();
        assert_eq!(refusal.rejection(), Some(Refusal::NotYourTurn));
        play(&game, &[("bob", 4)]).await
    })
}

#[test]
fn a_turn_that_takes_too_long_loses_also_across_a_crash() -> Result<()> {
    testing::run(|world| async move {
        let world = world.register::<TicTacToe>().start().await;
        seated(&world.object::<TicTacToe>("m")).await?;
        world.advance("29s").await;
        world.object::<TicTacToe>("m").play("ada".into(), 4).await?;
        world.advance("20s").await;
        world.crash_and_restart().await;
        let game = world.object::<TicTacToe>("m");
        assert_eq!(game.phase().await?, Phase::Playing);
        world.advance("10s").await;
        assert_eq!(game.phase().await?, Phase::TimedOut);
        Ok(())
    })
}

#[test]
fn nobody_plays_out_of_turn_twice_or_without_a_seat() -> Result<()> {
    testing::run(|world| async move {
        let world = world.register::<TicTacToe>().start().await;
        let game = world.object::<TicTacToe>("m");
        let refused = |name: &str, cell| game.play(name.into(), cell);
        game.sit("ada".into()).await?;
        assert_eq!(refused("ada", 0).await.unwrap_err().rejection(), Some(Refusal::NotPlaying));
        game.sit("bob".into()).await?;
        assert_eq!(game.sit("ada".into()).await?, Mark::X);
        assert_eq!(game.sit("eve".into()).await.unwrap_err().rejection(), Some(Refusal::Full));
        assert_eq!(refused("bob", 0).await.unwrap_err().rejection(), Some(Refusal::NotYourTurn));
        assert_eq!(refused("eve", 0).await.unwrap_err().rejection(), Some(Refusal::NoSeat));
        game.play("ada".into(), 0).await?;
        for cell in [0, 9] {
            assert_eq!(refused("bob", cell).await.unwrap_err().rejection(), Some(Refusal::NoSuchCell));
        }
        game.leave("ada".into()).await?;
        assert_eq!(game.phase().await?, Phase::Waiting);
        Ok(())
    })
}

#[test]
fn a_full_board_is_a_draw() -> Result<()> {
    testing::run(|world| async move {
        let world = world.register::<TicTacToe>().start().await;
        let game = world.object::<TicTacToe>("m");
        seated(&game).await?;
        let cells = [0, 1, 2, 4, 3, 5, 7, 6, 8];
        let moves = Vec::from_iter(cells.into_iter().enumerate().map(|(n, cell)| (["ada", "bob"][n % 2], cell)));
        play(&game, &moves).await?;
        assert_eq!(game.phase().await?, Phase::Draw);
        Ok(())
    })
}
