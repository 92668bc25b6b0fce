//! How much of its share has a caller used? Memory is fixed, whoever comes and however many they are.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    str::FromStr,
    time::Duration,
};

use abide_core::{Code, Error, Result};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, StateStore},
};

/// How many callers are told apart. Two that fall together by chance share what each would have alone;
/// of 10,000 that are busy at once, about 4 in 100 do.
const PLACES: usize = 1 << 18;

/// The same where fewer are told apart.
const FEW_PLACES: usize = 1 << 12;

/// How much callers may ask. Each limit is for one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// By everybody who is known, each by itself.
    pub per_principal: Option<Rate>,
    /// From every address (IPv4) or network of a subscriber (IPv6, /64), each by itself.
    pub per_address: Option<Rate>,
}

/// So many requests or frames in a time, with a reserve for bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
    burst: NonZeroU32,
}

impl Rate {
    /// `count` in `per`; at once, after a rest, at most as many as come in a second, and at least one.
    pub fn new(count: NonZeroU32, per: Duration) -> Self {
        let seconds = u32::try_from(per.as_secs()).unwrap_or(u32::MAX).max(1);
        let burst = NonZeroU32::new(count.get().div_ceil(seconds)).unwrap_or(NonZeroU32::MIN);
        Self { count, per, burst }
    }

    /// The same rate; at once, after a rest, at most this many.
    #[must_use]
    pub fn burst(self, burst: NonZeroU32) -> Self {
        Self { burst, ..self }
    }

    fn quota(self) -> Quota {
        // The longest time is an hour and the highest count a billion: never nothing.
        let period = (self.per / self.count.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX));
        quota.allow_burst(self.burst)
    }
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rate such as 200/s, 100/m or 5000/h")]
pub struct InvalidRate(String);

impl FromStr for Rate {
    type Err = InvalidRate;

    /// Reads `200/s`, `100/m` or `5000/h`.
    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let read = || {
            let (count, unit) = text.split_once('/')?;
            let count = count.trim().replace('_', "").parse().ok()?;
            let seconds = match unit.trim() {
                "s" => 1,
                "m" => 60,
                "h" => 3600,
                _ => return None,
            };
            Some(Self::new(count, Duration::from_secs(seconds)))
        };
        read().ok_or_else(|| InvalidRate(text.into()))
    }
}

/// The shares of callers.
pub(crate) struct Shares {
    principals: Option<Limiter>,
    addresses: Option<Limiter>,
    hasher: RandomState,
    clock: DefaultClock,
}

type Limiter = RateLimiter<u64, Places, DefaultClock>;

impl Shares {
    pub(crate) fn new(rates: Rates) -> Self {
        let clock = DefaultClock::default();
        let limiter = |rate: Rate| RateLimiter::new(rate.quota(), Places::new(PLACES), clock.clone());
        Self {
            principals: rates.per_principal.map(limiter),
            addresses: rates.per_address.map(limiter),
            hasher: RandomState::new(),
            clock: clock.clone(),
        }
    }

    /// Whether principals have shares.
    pub(crate) fn has_principals(&self) -> bool {
        self.principals.is_some()
    }

    /// Takes one request or frame from the share of a principal.
    pub(crate) fn take_of_principal(&self, name: &impl Hash) -> Result<()> {
        self.take(self.principals.as_ref(), name, "this caller")
    }

    /// Takes one request or frame from the share of callers at an address who have not said who they are.
    pub(crate) fn take_of_nobody(&self, address: Option<IpAddr>) -> Result<()> {
        self.take(self.principals.as_ref(), &("", address.map(network)), "whoever has no name at this address")
    }

    /// Takes one request from the share of an address.
    pub(crate) fn take_of_address(&self, address: IpAddr) -> Result<()> {
        self.take(self.addresses.as_ref(), &network(address), "this address")
    }

    fn take(&self, limiter: Option<&Limiter>, name: &impl Hash, who: &str) -> Result<()> {
        let Some(limiter) = limiter else { return Ok(()) };
        limiter.check_key(&self.hasher.hash_one(name)).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            let detail = format!("{who} sends more than its share; nothing was changed; wait a little");
            Error::new(Code::RateLimited, detail).retry_after(wait)
        })
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shares")
    }
}

/// Lets each of many do something so often, and no more.
pub(crate) struct Throttle {
    limiter: Limiter,
    hasher: RandomState,
}

impl Throttle {
    pub(crate) fn new(rate: Rate) -> Self {
        let limiter = RateLimiter::new(rate.quota(), Places::new(FEW_PLACES), DefaultClock::default());
        Self { limiter, hasher: RandomState::new() }
    }

    /// Whether this one may once more.
    pub(crate) fn check(&self, name: &impl Hash) -> bool {
        self.limiter.check_key(&self.hasher.hash_one(name)).is_ok()
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}

/// The network of a subscriber: behind one of IPv6 everybody has as many addresses as they like.
pub(crate) fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) | u128::from(u64::MAX),
    }
}

/// A fixed number of states, found by hash.
struct Places(Box<[InMemoryState]>);

impl Places {
    fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(InMemoryState::default).take(count).collect())
    }
}

impl StateStore for Places {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, hash: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
        let place = *hash as usize % self.0.len();
        self.0[place].measure_and_replace(&NotKeyed::NonKey, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        assert_eq!(rate("200/s"), Rate::new(NonZeroU32::new(200).unwrap(), Duration::from_secs(1)));
        assert_eq!(rate("1_000 / m").count.get(), 1000);
        assert_eq!((rate("90/m").burst.get(), rate("5/h").burst.get()), (2, 1));
        for text in ["", "200", "0/s", "-1/s", "1/d", "s/1", "1.5/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn whoever_has_used_its_share_waits_and_others_do_not() {
        let three = rate("1/h").burst(NonZeroU32::new(3).unwrap());
        let shares = Shares::new(Rates { per_principal: Some(three), per_address: None });
        for _ in 0..3 {
            shares.take_of_principal(&"alice").unwrap();
        }
        let error = shares.take_of_principal(&"alice").unwrap_err();
        assert_eq!(error.code(), Code::RateLimited);
        assert!(error.wait().unwrap() > Duration::from_secs(3000), "{:?}", error.wait());
        shares.take_of_principal(&"bob").unwrap();
        shares.take_of_address("192.0.2.1".parse().unwrap()).unwrap();
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share() {
        let shares = Shares::new(Rates { per_principal: None, per_address: Some(rate("1/h")) });
        let take = |address: &str| shares.take_of_address(address.parse().unwrap()).is_ok();
        assert!(take("2001:db8:1:2::1") && !take("2001:db8:1:2:ffff::7") && take("2001:db8:1:3::1"));
        assert!(take("192.0.2.1") && !take("::ffff:192.0.2.1") && take("192.0.2.2"));
    }
}
