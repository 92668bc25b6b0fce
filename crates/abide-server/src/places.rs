//! How many connections come from where? Nobody's network may take all places.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;

use crate::rate::network;

/// Counts what each address (IPv4) or network of a subscriber (IPv6, /64) holds. This machine's own are not
/// counted: whoever is here already could do worse, and a proxy here stands for everybody.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    /// Whether an address is of this machine.
    here: fn(IpAddr) -> bool,
    held: Mutex<HashMap<u128, usize>>,
}

/// A place that is held until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<(Arc<Places>, u128)>);

impl Places {
    /// So many for each network.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Self::beside(most, |address| address.to_canonical().is_loopback())
    }

    /// The same, where these addresses are of this machine.
    pub(crate) fn beside(most: usize, here: fn(IpAddr) -> bool) -> Arc<Self> {
        Arc::new(Self { most, here, held: Mutex::default() })
    }

    /// One more for this address; `None` if its network has all that it may have.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Held> {
        if (self.here)(address) {
            return Some(Held(None));
        }
        let network = network(address);
        let mut held = self.held.lock();
        let count = held.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Held(Some((self.clone(), network))))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((places, network)) = self.0.take() else { return };
        if let Entry::Occupied(mut count) = places.held.lock().entry(network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_places_and_no_more_and_others_have_theirs() {
        let places = Places::new(2);
        let take = |address: &str| places.take(address.parse().unwrap());
        for network in [["192.0.2.1"; 3], ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"]] {
            let (first, second) = (take(network[0]).unwrap(), take(network[1]).unwrap());
            assert!(take(network[2]).is_none());
            assert!(take("192.0.2.2").is_some() && take("2001:db8:0:1::1").is_some());
            drop(first);
            let third = take(network[2]).unwrap();
            assert!(take(network[2]).is_none());
            drop((second, third));
        }
        assert!(places.held.lock().is_empty(), "whoever has gone is remembered");
    }

    #[test]
    fn this_machine_is_not_counted() {
        let places = Places::new(0);
        for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert!(places.take(address.parse().unwrap()).is_some(), "{address}");
        }
        assert!(places.take("192.0.2.1".parse().unwrap()).is_none());
    }
}
