//! What a seed's world is like: drawn before it begins.

use std::time::Duration;

use abide_core::backoff::Backoff;
use abide_node::NodeOptions;

use crate::dice::Dice;

/// The character of one world.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How many clients call.
    pub(crate) clients: u64,
    /// How many operations each makes.
    pub(crate) operations: u64,
    /// How long a client waits at most between two operations, in milliseconds.
    pub(crate) pause_ms: u64,
    /// How many watchers follow changes.
    pub(crate) watchers: u64,
    /// How many disturbances there are.
    pub(crate) disturbances: u64,
    /// Which disturbances happen.
    pub(crate) kinds: Vec<Disturbance>,
    /// The node's limits and times.
    pub(crate) options: NodeOptions,
}

/// Something that befalls the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// The node ends without warning; after a while another starts.
    Crash,
    /// Another node takes over while the old one goes on for a while.
    Zombie,
    /// The node is stopped in good order and started again.
    Restart,
    /// The store fails in random ways from now on.
    Faults,
    /// The store is sound again.
    Sound,
    /// The wall clock jumps.
    Jump,
    /// All idle objects leave memory.
    Evict,
    /// All idle objects drop their decoded form.
    Hibernate,
}

impl Plan {
    /// Whether something may happen in this world that undoes what is not durable.
    pub(crate) fn loses_what_is_not_durable(&self) -> bool {
        use Disturbance::{Crash, Faults, Restart, Zombie};
        self.kinds.iter().any(|kind| matches!(kind, Crash | Zombie | Restart | Faults))
    }

    /// A world in which nodes are replaced again and again and go on, without which nobody needs a fence.
    pub(crate) fn replace_nodes(&mut self) {
        use Disturbance::{Evict, Zombie};
        self.kinds = vec![Zombie, Zombie, Evict];
        self.disturbances = 9;
    }

    /// More clients, without pauses.
    pub(crate) fn hurry(&mut self) {
        self.clients += 4;
        self.operations *= 3;
        self.pause_ms = 2;
    }

    pub(crate) fn draw(dice: &mut Dice) -> Self {
        use Disturbance::{Crash, Evict, Faults, Hibernate, Jump, Restart, Sound, Zombie};
        let all = [Crash, Crash, Zombie, Restart, Faults, Faults, Sound, Jump, Evict, Evict, Hibernate];
        let kinds = match dice.below(12) {
            0..3 => vec![Evict, Hibernate],
            3 => vec![Crash, Evict],
            4 => vec![Faults, Faults, Sound, Evict],
            5 => vec![Zombie, Evict],
            6 => vec![Crash, Faults, Sound],
            _ => all.to_vec(),
        };
        Self {
            clients: dice.within(1..=4),
            operations: dice.within(8..=30),
            pause_ms: *dice.pick(&[5, 60, 400]),
            watchers: dice.within(0..=4),
            disturbances: dice.within(2..=9),
            kinds,
            options: options(dice),
        }
    }
}

fn options(dice: &mut Dice) -> NodeOptions {
    NodeOptions {
        call_timeout: Duration::from_secs(*dice.pick(&[2, 10])),
        mailbox: *dice.pick(&[3, 10_000, 10_000]),
        commits_in_flight: *dice.pick(&[1, 2, 2, 4]),
        objects_max: *dice.pick(&[2, 1_000, 1_000]),
        memory_max: 1 << 30,
        alarms_in_flight: *dice.pick(&[1, 4, 1024]),
        alarm_backoff: Backoff {
            first: Duration::from_millis(200),
            max: Duration::from_secs(2),
            attempts_max: Some(50),
            ..Backoff::default()
        },
        messages_in_memory: *dice.pick(&[3, 10_000]),
        watch_buffer: *dice.pick(&[1, 4, 64]),
        watch_bytes: *dice.pick(&[400, 3_000, 1 << 20, 1 << 20]),
        watch_bytes_total: *dice.pick(&[300, 5_000, 64 << 20, 64 << 20]),
        drain_timeout: Duration::from_secs(*dice.pick(&[1, 10])),
        inline: dice.chance(0.7),
        metered: false,
        ..NodeOptions::default()
    }
}
