/// How many looks in a row have to find the same turn before it is called one that blocks: two seconds.
/// A power of two, as it is told again after twice as many.
const LOOKS: u32 = 4;

/// What is known of one thread from looking at it again and again.
#[derive(Debug, Default)]
pub(super) struct Patience {
    handler: u64,
    turn: u64,
    /// How many looks have found this very turn.
    looks: u32,
}

/// What a look at a thread has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing to speak of.
    Nothing,
    /// This handler has kept the thread for so many looks; each time twice as many as before.
    Blocks { handler: u64, looks: u32, first: bool },
    /// The handler that blocked has come back, after so many looks.
    Back { handler: u64, looks: u32 },
}

impl Patience {
    /// Takes what a thread has noted: its handler (0 if none runs) and the number of its turn.
    pub(super) fn look(&mut self, handler: u64, turn: u64) -> Shown {
        if handler != 0 && (handler, turn) == (self.handler, self.turn) {
            self.looks += 1;
            let first = self.looks == LOOKS;
            return match self.looks >= LOOKS && self.looks.is_power_of_two() {
                true => Shown::Blocks { handler, looks: self.looks, first },
                false => Shown::Nothing,
            };
        }
        let before = std::mem::replace(self, Self { handler, turn, looks: 0 });
        match before.looks >= LOOKS {
            true => Shown::Back { handler: before.handler, looks: before.looks },
            false => Shown::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_stays_is_told_at_growing_distances_and_when_it_is_back() {
        let mut patience = Patience::default();
        let told: Vec<u32> = (0..40)
            .filter_map(|_| match patience.look(7, 1) {
                Shown::Blocks { handler: 7, looks, first } => {
                    assert_eq!(first, looks == 4);
                    Some(looks)
                }
                Shown::Nothing => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [4, 8, 16, 32]);
        assert_eq!(patience.look(0, 2), Shown::Back { handler: 7, looks: 39 });
        assert_eq!(patience.look(0, 2), Shown::Nothing);
    }

    #[test]
    fn many_short_turns_of_one_handler_are_not_one_long_turn() {
        let mut patience = Patience::default();
        assert!((0..100).all(|turn| patience.look(7, turn) == Shown::Nothing));
        assert!((0..100).all(|_| patience.look(0, 100) == Shown::Nothing));
    }
}
