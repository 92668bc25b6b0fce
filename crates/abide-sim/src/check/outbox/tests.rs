use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::check::testing::{config, pick};

/// What turns sent, and what receivers applied.
#[derive(Debug, Clone)]
struct World {
    sent: Vec<(Message, Turn)>,
    applied: Vec<Message>,
}

impl World {
    fn check(&self) -> Result<(), Violation> {
        check(&self.sent, &self.applied)
    }

    /// The messages whose turn had this fate.
    fn sent(&self, fate: Turn) -> Vec<Message> {
        self.sent.iter().filter(|(_, turn)| *turn == fate).map(|(message, _)| message.clone()).collect()
    }
}

fn message(sender: &str, receiver: &str, n: u64) -> Message {
    Message { sender: sender.to_owned(), receiver: receiver.to_owned(), n }
}

fn pair(message: &Message) -> (&str, &str) {
    (&message.sender, &message.receiver)
}

/// Worlds that deliver as they should: all durable messages and some of unknown turns, in order
/// within each pair and in any order between pairs.
fn worlds() -> impl Strategy<Value = World> {
    let turn = prop_oneof![6 => Just(Turn::Durable), 1 => Just(Turn::NeverDurable), 1 => Just(Turn::Unknown)];
    let send = (0..3_u64, 0..2_u64, turn, any::<bool>());
    let swaps = prop::collection::vec(any::<Index>(), 0..60);
    (prop::collection::vec(send, 1..40), swaps).prop_map(|(sends, swaps)| {
        let mut world = World { sent: Vec::new(), applied: Vec::new() };
        for (n, (sender, receiver, turn, lucky)) in sends.into_iter().enumerate() {
            let message = message(&format!("Cart/{sender}"), &format!("Shop/{receiver}"), n as u64);
            if turn == Turn::Durable || (turn == Turn::Unknown && lucky) {
                world.applied.push(message.clone());
            }
            world.sent.push((message, turn));
        }
        let places = world.applied.len().saturating_sub(1);
        for swap in swaps.iter().filter(|_| places > 0) {
            let at = swap.index(places);
            if pair(&world.applied[at]) != pair(&world.applied[at + 1]) {
                world.applied.swap(at, at + 1);
            }
        }
        world
    })
}

/// Asserts that exactly this fault is found, for the pair of this message.
fn found(world: &World, victim: &Message, fault: Fault) -> Result<(), TestCaseError> {
    let Err(violation) = world.check() else {
        return Err(TestCaseError::fail(format!("{fault} was not found")));
    };
    for finding in violation.findings() {
        prop_assert_eq!(finding.fault, fault, "{}", violation);
        prop_assert_eq!(&finding.object, &format!("{} to {}", victim.sender, victim.receiver));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_world_that_delivers_passes(world in worlds()) {
        prop_assert_eq!(world.check(), Ok(()));
    }

    #[test]
    fn a_lost_message_is_found(mut world in worlds(), which: Index) {
        let victim = pick(&world.sent(Turn::Durable), which)?;
        world.applied.retain(|message| *message != victim);
        found(&world, &victim, Fault::Missing)?;
    }

    #[test]
    fn a_message_applied_twice_is_found(mut world in worlds(), which: Index, to: Index) {
        let victim = pick(&world.applied, which)?;
        let first = world.applied.iter().position(|message| *message == victim).unwrap();
        let after = first + 1 + to.index(world.applied.len() - first);
        world.applied.insert(after, victim.clone());
        found(&world, &victim, Fault::Duplicate)?;
    }

    #[test]
    fn messages_that_overtake_each_other_are_found(mut world in worlds(), which: Index) {
        let victim = pick(&world.applied, which)?;
        let places: Vec<usize> =
            (0..world.applied.len()).filter(|at| pair(&world.applied[*at]) == pair(&victim)).collect();
        let swapped = pick(&places.array_windows().copied().collect::<Vec<[usize; 2]>>(), which)?;
        world.applied.swap(swapped[0], swapped[1]);
        found(&world, &victim, Fault::OutOfOrder)?;
    }

    #[test]
    fn a_message_of_a_turn_that_never_was_is_found(mut world in worlds(), which: Index) {
        let victim = pick(&world.sent(Turn::NeverDurable), which)?;
        let later = |message: &Message| pair(message) == pair(&victim) && message.n > victim.n;
        let at = world.applied.iter().position(later).unwrap_or(world.applied.len());
        world.applied.insert(at, victim.clone());
        found(&world, &victim, Fault::Refused)?;
    }

    #[test]
    fn an_invented_message_is_found(mut world in worlds(), sender in 0..4_u64) {
        let victim = message(&format!("Cart/{sender}"), "Shop/0", 1_000_000);
        world.applied.push(victim.clone());
        found(&world, &victim, Fault::Invented)?;
    }
}

#[test]
fn a_number_used_by_two_durable_turns_is_found() {
    let sent = [(message("a", "b", 1), Turn::Durable), (message("a", "b", 1), Turn::Durable)];
    let violation = check(&sent, &[message("a", "b", 1)]).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "durable messages (applied once, in order per sender and receiver): broken for a to b\n  \
           duplicate: two durable turns sent message 1"
    );
}

#[test]
fn a_number_rolled_back_and_used_again_is_the_new_message() {
    let sent = [(message("a", "b", 1), Turn::NeverDurable), (message("a", "b", 1), Turn::Durable)];
    assert_eq!(check(&sent, &[message("a", "b", 1)]), Ok(()));
}

#[test]
fn the_evidence_names_pair_and_positions() {
    let sent = [(message("a", "b", 1), Turn::Durable), (message("a", "b", 2), Turn::Durable)];
    let applied = [message("a", "b", 2), message("a", "b", 1), message("a", "b", 2)];
    assert_eq!(
        check(&sent, &applied).unwrap_err().to_string(),
        "durable messages (applied once, in order per sender and receiver): broken for a to b\n  \
           duplicate: message 2 was applied 2 times, as number 1, 3\n  \
           out of order: message 1 was applied after message 2"
    );
}
