//! Whatever a handler fails with reaches the caller.
#![deny(warnings)]

use std::fmt;

use abide::{Code, prelude::*};

#[derive(State, Default)]
struct Wallet {
    cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Short {
    missing: u64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} are missing", self.missing)
    }
}

#[derive(Debug)]
enum Plain {
    Never,
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("never")
    }
}

type WalletResult<T> = std::result::Result<T, Plain>;

/// An answer whose name only looks like a `Result`.
#[derive(Serialize, Deserialize)]
struct SearchResult {
    found: u64,
}

#[object]
impl Wallet {
    #[handler]
    fn take(&mut self, cents: u64) -> Result<u64, Short> {
        self.cents = self.cents.checked_sub(cents).ok_or(Short { missing: cents - self.cents })?;
        Ok(self.cents)
    }
    #[handler]
    async fn never(&mut self) -> WalletResult<()> {
        self.cents = 77;
        Err(Plain::Never)
    }
    #[handler]
    fn denied(&self) -> Result<()> {
        Err(Error::new(Code::Denied, "not yours"))
    }
    #[handler]
    fn text(&self) -> std::result::Result<u8, String> {
        Err("just text".into())
    }
    #[handler]
    fn parsed(&self, text: String) -> std::result::Result<i8, std::num::ParseIntError> {
        text.parse()
    }
    #[handler]
    fn formatted(&self) -> fmt::Result {
        Err(fmt::Error)
    }
    #[handler]
    async fn boxed(&self) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let n: u8 = "300".parse()?;
        assert_eq!(n, 0);
        Ok(())
    }
    #[handler]
    fn search(&self) -> SearchResult {
        SearchResult { found: self.cents }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let abide = Abide::open("memory:").register::<Wallet>().start().await?;
    let wallet = abide.object::<Wallet>("x");
    let error = wallet.take(3).await.unwrap_err();
    assert_eq!(error.rejection(), Some(Short { missing: 3 }));
    assert_eq!(error.detail(), "3 are missing");
    let error = wallet.never().await.unwrap_err();
    assert_eq!((error.code(), error.detail()), (Code::Rejected, "never"));
    assert_eq!(wallet.search().await?.found, 0, "rolled back");
    assert_eq!(wallet.denied().await.unwrap_err().code(), Code::Denied);
    assert_eq!(wallet.text().await.unwrap_err().rejection(), Some("just text".to_string()));
    assert_eq!(wallet.parsed("12".into()).await?, 12);
    assert_eq!(wallet.parsed("x".into()).await.unwrap_err().code(), Code::Rejected);
    assert_eq!(wallet.formatted().await.unwrap_err().code(), Code::Rejected);
    assert_eq!(wallet.boxed().await.unwrap_err().code(), Code::Rejected);
    Ok(())
}
