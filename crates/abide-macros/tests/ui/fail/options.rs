#![allow(unused)]

use abide::prelude::*;

macro_rules! object_with {
    ($name:ident, $($options:tt)*) => {
        #[derive(State, Default)]
        struct $name;
        #[object($($options)*)]
        impl $name {}
    };
}

object_with!(A, hibernate = "5m");
object_with!(B, hibernate_after = 5);
object_with!(C, hibernate_after = "5", shutdown_after = "30m1h");
object_with!(D, history = "forever");
object_with!(E, durability = "fast");
object_with!(F, durability = "behind:soon");
object_with!(G, version = "2", mailbox = 0);
object_with!(H, migrate = up);
object_with!(I, stateless = true);
object_with!(J, autoload = [1, "a"]);
object_with!(K, name = "no spaces");
object_with!(L, mailbox = 1, mailbox = 2);
object_with!(M, mailbox: 1);
object_with!(N, history);
object_with!(O, layout = "flat");
object_with!(P, prefix = "user");
object_with!(Q, layout = "distobject", channel = "");

fn main() {}
