//! A transaction takes effect whole or not at all, and as if transactions had run one after the other.
//!
//! The objects under test are purses: each keeps an append-only list of what was moved into it and out
//! of it. What leaves one purse arrives in another in the same transaction, so that at any moment the
//! sum over all purses is zero.

use std::collections::{BTreeMap, BTreeSet};

use super::violation::{Fault, Finding, Promise, Violation};

/// One entry of a purse's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which transfer.
    pub token: u64,
    /// What was put in; negative if it was taken out.
    pub amount: i64,
}

/// Checks the purses at the end, by name, and the sums that `audits` saw on the way. Whether every
/// acknowledged transfer is there once is for [`super::effects`] to say, over [`tokens`].
///
/// # Errors
/// A [`Violation`] with these faults:
/// - [`Fault::Missing`]: a transfer has left one purse and not arrived in another, or the other way round.
/// - [`Fault::WrongState`]: a transaction over all purses saw a sum that is not zero.
/// - [`Fault::OutOfOrder`]: two purses, or several in a circle, have transfers in orders that contradict
///   each other.
pub fn check(purses: &BTreeMap<String, Vec<Entry>>, audits: &[i64]) -> Result<(), Violation> {
    let mut findings = Vec::new();
    let mut add = |fault, evidence| {
        findings.push(Finding { promise: Promise::AllOrNothing, fault, object: "the purses".into(), evidence });
    };
    let mut moved: BTreeMap<u64, i64> = BTreeMap::new();
    for entry in purses.values().flatten() {
        *moved.entry(entry.token).or_default() += entry.amount;
    }
    for (token, rest) in moved.iter().filter(|(_, rest)| **rest != 0) {
        add(Fault::Missing, format!("transfer {token} is there in part: its entries add up to {rest}"));
    }
    for sum in audits.iter().filter(|sum| **sum != 0) {
        add(Fault::WrongState, format!("a transaction saw purses that add up to {sum}"));
    }
    if let Some(token) = circle(purses) {
        add(Fault::OutOfOrder, format!("the purses disagree on what came before transfer {token}"));
    }
    Violation::unless_empty(findings)
}

/// The transfers that took effect, each as often as it left a purse.
pub fn tokens(purses: &BTreeMap<String, Vec<Entry>>) -> Vec<u64> {
    purses.values().flatten().filter(|entry| entry.amount < 0).map(|entry| entry.token).collect()
}

/// A transfer that comes, by the orders of the purses, before itself.
fn circle(purses: &BTreeMap<String, Vec<Entry>>) -> Option<u64> {
    let mut after: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut before: BTreeMap<u64, usize> = purses.values().flatten().map(|entry| (entry.token, 0)).collect();
    for pair in purses.values().flat_map(|entries| entries.windows(2)) {
        if after.entry(pair[0].token).or_default().insert(pair[1].token) {
            *before.entry(pair[1].token).or_default() += 1;
        }
    }
    let mut free: Vec<u64> = before.iter().filter(|(_, count)| **count == 0).map(|(token, _)| *token).collect();
    while let Some(token) = free.pop() {
        before.remove(&token);
        for next in after.remove(&token).unwrap_or_default() {
            if let Some(count) = before.get_mut(&next) {
                *count -= 1;
                if *count == 0 {
                    free.push(next);
                }
            }
        }
    }
    before.into_keys().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purses(lists: &[&[(u64, i64)]]) -> BTreeMap<String, Vec<Entry>> {
        let entry = |(token, amount): &(u64, i64)| Entry { token: *token, amount: *amount };
        lists.iter().enumerate().map(|(n, list)| (format!("p{n}"), list.iter().map(entry).collect())).collect()
    }

    fn fault(lists: &[&[(u64, i64)]], audits: &[i64]) -> Option<Fault> {
        check(&purses(lists), audits).err().map(|violation| violation.findings()[0].fault)
    }

    #[test]
    fn whole_transfers_in_one_order_pass() {
        assert_eq!(fault(&[&[(1, -5), (2, 3)], &[(1, 5), (3, 1)], &[(2, -3), (3, -1)]], &[0]), None);
        assert_eq!(tokens(&purses(&[&[(1, -5), (2, 3)], &[(1, 5)], &[(2, -3)]])), [1, 2]);
    }

    #[test]
    fn half_a_transfer_is_found() {
        assert_eq!(fault(&[&[(1, -5)], &[]], &[]), Some(Fault::Missing));
        assert_eq!(fault(&[&[], &[(1, 5)]], &[]), Some(Fault::Missing));
    }

    #[test]
    fn a_sum_seen_in_between_is_found() {
        assert_eq!(fault(&[&[(1, -5)], &[(1, 5)]], &[0, -5]), Some(Fault::WrongState));
    }

    #[test]
    fn orders_that_contradict_each_other_are_found() {
        assert_eq!(fault(&[&[(1, -5), (2, 5)], &[(2, -5), (1, 5)]], &[]), Some(Fault::OutOfOrder));
        let three: &[&[(u64, i64)]] = &[&[(1, -1), (2, 1)], &[(2, -1), (3, 1)], &[(3, -1), (1, 1)]];
        assert_eq!(fault(three, &[]), Some(Fault::OutOfOrder));
    }
}
