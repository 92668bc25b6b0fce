//! Money that moves between objects and is neither lost nor made on the way.

use std::fmt;

use abide::prelude::*;

/// The most that one call may move, in the smallest unit of the currency.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000;

/// A balance, in the smallest unit of its currency.
#[derive(Debug, Default, State)]
pub struct Wallet {
    balance: u64,
}

/// There is not enough in the wallet. Nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InsufficientFunds {
    /// What is there.
    pub balance: u64,
    /// What is missing.
    pub missing: u64,
}

/// Money that moves between wallets, and a balance that never falls below zero.
///
/// A transfer is two turns on two objects: the debit here, and the credit there. The credit is a
/// durable message, stored in the same commit as the debit, delivered after it and applied once:
/// whatever crashes in between, it arrives. Call a transfer with a key, and a retry moves nothing.
///
/// A program that may never see one half without the other moves money in a transaction:
///
/// ```
/// use abide::prelude::*;
/// use abide_cli::demo::Wallet;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> abide::Result<()> {
/// let abide = Abide::open("memory:").register::<Wallet>().start().await?;
/// let (alice, bob) = (abide.object::<Wallet>("alice"), abide.object::<Wallet>("bob"));
/// alice.deposit(100).await?;
/// let moved = abide.transaction(&[&alice, &bob], |tx| {
///     let (from, to) = (alice.within(&tx), bob.within(&tx));
///     async move {
///         from.withdraw(30).await?;
///         to.deposit(30).await
///     }
/// });
/// assert_eq!(moved.key("order-78").await?, 30);
/// assert_eq!((alice.balance().await?, bob.balance().await?), (70, 30));
/// # Ok(())
/// # }
/// ```
#[object(history = 1000)]
impl Wallet {
    /// Puts money in and answers with the new balance.
    #[handler]
    pub fn deposit(&mut self, amount: u64) -> Result<u64> {
        check(amount)?;
        let sum = self.balance.checked_add(amount);
        self.balance = sum.ok_or_else(|| Error::rejected("the wallet is full; nothing was put in"))?;
        Ok(self.balance)
    }

    /// Takes money out and answers with what is left.
    #[handler]
    pub fn withdraw(&mut self, amount: u64) -> Result<u64> {
        check(amount)?;
        let missing = amount.saturating_sub(self.balance);
        if missing > 0 {
            return Err(InsufficientFunds { balance: self.balance, missing }.into());
        }
        self.balance -= amount;
        Ok(self.balance)
    }

    /// Moves money to another wallet and answers with what is left here. It arrives there a moment later.
    #[handler]
    pub fn transfer(&mut self, ctx: &mut Context, to: String, amount: u64) -> Result<u64> {
        if to == ctx.key().id() {
            return Err(Error::rejected("a wallet cannot transfer to itself; nothing was changed"));
        }
        let left = self.withdraw(amount)?;
        ctx.object::<Self>(&to).deposit(amount).send(ctx)?;
        Ok(left)
    }

    /// The balance.
    #[handler]
    pub fn balance(&self) -> u64 {
        self.balance
    }
}

fn check(amount: u64) -> Result<()> {
    match amount {
        1..=AMOUNT_MAX => Ok(()),
        _ => Err(Error::rejected(format!("an amount is between 1 and {AMOUNT_MAX}, this one is {amount}"))),
    }
}

impl fmt::Display for InsufficientFunds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} are missing, the balance is {}; nothing was taken", self.missing, self.balance)
    }
}

impl From<InsufficientFunds> for Error {
    fn from(error: InsufficientFunds) -> Self {
        Self::rejected(error.to_string()).with_data(json!(error))
    }
}

#[cfg(test)]
mod tests {
    use abide::testing;

    use super::*;

    async fn running() -> Result<Abide> {
        Abide::open("memory:").register::<Wallet>().start().await
    }

    async fn wait_for_balance(wallet: &WalletRef, wanted: u64) -> Result<()> {
        let mut changes = wallet.changes(After::Start).await?;
        while wallet.balance().await? != wanted {
            changes.next().await.expect("the node runs")?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_transfer_with_a_key_moves_the_money_once_however_often_it_is_made() -> Result<()> {
        let abide = running().await?;
        let (alice, bob) = (abide.object::<Wallet>("alice"), abide.object::<Wallet>("bob"));
        alice.deposit(100).await?;
        for _ in 0..3 {
            assert_eq!(alice.transfer("bob".into(), 30).key("order-77").await?, 70);
        }
        wait_for_balance(&bob, 30).await?;
        assert_eq!((alice.balance().await?, bob.balance().await?), (70, 30));
        Ok(())
    }

    #[tokio::test]
    async fn insufficient_funds_reach_the_caller_with_their_numbers_and_move_nothing() -> Result<()> {
        let abide = running().await?;
        let alice = abide.object::<Wallet>("alice");
        alice.deposit(20).await?;
        let refusal = alice.transfer("bob".into(), 50).await.unwrap_err();
        assert_eq!(refusal.rejection(), Some(InsufficientFunds { balance: 20, missing: 30 }));
        assert_eq!(alice.balance().await?, 20);
        assert!(abide.object::<Wallet>("bob").peek().await?.is_none());
        Ok(())
    }

    #[tokio::test]
    async fn a_transfer_that_cannot_arrive_takes_nothing() -> Result<()> {
        let abide = running().await?;
        let alice = abide.object::<Wallet>("alice");
        alice.deposit(20).await?;
        let endless = "x".repeat(600);
        for (to, amount) in [("alice", 5), ("", 5), (endless.as_str(), 5), ("bob", 0), ("bob", AMOUNT_MAX + 1)] {
            assert!(alice.transfer(to.into(), amount).await.is_err(), "{to:?} {amount}");
        }
        assert_eq!(alice.balance().await?, 20);
        Ok(())
    }

    #[tokio::test]
    async fn money_that_goes_round_is_the_same_in_the_end() -> Result<()> {
        let abide = running().await?;
        let names = ["a", "b", "c", "d"];
        for name in names {
            abide.object::<Wallet>(name).deposit(1000).await?;
        }
        for round in 0..100 {
            let (from, to) = (names[round % 4], names[(round + 1 + round % 3) % 4]);
            abide.object::<Wallet>(from).transfer(to.into(), 7).await?;
        }
        while abide.messages_under_way() > 0 {
            tokio::task::yield_now().await;
        }
        let mut sum = 0;
        for name in names {
            sum += abide.object::<Wallet>(name).balance().await?;
        }
        assert_eq!(sum, 4000);
        Ok(())
    }

    /// Moves money in a transaction: it is there when this answers.
    async fn transfer_now(abide: &Abide, from: &WalletRef, to: &WalletRef, amount: u64) -> Result<u64> {
        let moved = abide.transaction(&[from, to], |tx| {
            let (from, to) = (from.within(&tx), to.within(&tx));
            async move {
                to.deposit(amount).await?;
                from.withdraw(amount).await
            }
        });
        moved.await
    }

    #[tokio::test]
    async fn a_transfer_in_a_transaction_is_there_at_once_or_moves_nothing() -> Result<()> {
        let abide = running().await?;
        let (alice, bob) = (abide.object::<Wallet>("alice"), abide.object::<Wallet>("bob"));
        alice.deposit(100).await?;
        assert_eq!(transfer_now(&abide, &alice, &bob, 30).await?, 70);
        assert_eq!((alice.balance().await?, bob.balance().await?), (70, 30));
        let refusal = transfer_now(&abide, &alice, &bob, 100).await.unwrap_err();
        assert_eq!(refusal.rejection(), Some(InsufficientFunds { balance: 70, missing: 30 }));
        assert_eq!((alice.balance().await?, bob.balance().await?), (70, 30));
        Ok(())
    }

    #[test]
    fn a_credit_that_is_on_its_way_when_the_node_crashes_arrives_once() {
        testing::seeds(0..50, |world| async move {
            let world = world.register::<Wallet>().start().await;
            let alice = world.object::<Wallet>("alice");
            alice.deposit(100).await.expect("a store that works");
            alice.transfer("bob".into(), 30).await.expect("enough funds");
            for _ in 0..world.dice(|dice| dice.below(20)) {
                tokio::task::yield_now().await;
            }
            world.crash_and_restart().await;
            world.settle().await;
            let balance = |id| world.state::<Wallet>(id).map(|wallet| wallet.balance);
            assert_eq!((balance("alice"), balance("bob")), (Some(70), Some(30)));
        });
    }
}
