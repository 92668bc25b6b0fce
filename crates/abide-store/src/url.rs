use std::sync::Arc;

use abide_core::{Store, key::SHARDS_DEFAULT};

use crate::{error::OpenError, memory::MemoryStore};

/// Opens the store a URL names: `sqlite:PATH` (created if it is not there), `postgres://HOST/DATABASE`
/// (its tables are created if they are not there), `redis://HOST` (with the options of `RedisOptions`) or
/// `memory:`.
///
/// # Errors
/// [`OpenError`] says what stands in the way and what to do.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, OpenError> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "memory" => Ok(Arc::new(MemoryStore::new(SHARDS_DEFAULT))),
        "sqlite" => sqlite(url, rest.strip_prefix("//").unwrap_or(rest)),
        "postgres" | "postgresql" => postgres(url, scheme).await,
        "redis" | "rediss" => redis(url, scheme).await,
        _ => Err(OpenError::UnknownScheme { url: url.into() }),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str, path: &str) -> Result<Arc<dyn Store>, OpenError> {
    let bad = |why: &str| OpenError::BadUrl { url: url.into(), why: why.into() };
    match path {
        "" => Err(bad("it names no file: write for example `sqlite:data/abide.db`")),
        ":memory:" => Err(bad("a store without a file is written `memory:`")),
        path => {
            let store = crate::SqliteStore::open(path, crate::SqliteOptions::default())?;
            Ok(Arc::new(store))
        }
    }
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_url: &str, _path: &str) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::NotInThisVersion { scheme: "sqlite".into() })
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str, _scheme: &str) -> Result<Arc<dyn Store>, OpenError> {
    let store = crate::PostgresStore::open(url, crate::PostgresOptions::default()).await?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_url: &str, scheme: &str) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::NotInThisVersion { scheme: scheme.into() })
}

#[cfg(feature = "redis")]
async fn redis(url: &str, _scheme: &str) -> Result<Arc<dyn Store>, OpenError> {
    let store = crate::RedisStore::open(url).await?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "redis"))]
async fn redis(_url: &str, scheme: &str) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::NotInThisVersion { scheme: scheme.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(url: &str) -> String {
        open(url).await.map(|store| store.name()).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_url_of_memory_opens_a_store_with_the_default_shards() {
        let store = open("memory:").await.unwrap();
        assert_eq!((store.name(), store.shards()), ("memory", SHARDS_DEFAULT));
    }

    #[tokio::test]
    async fn an_unknown_scheme_gets_a_sentence_that_names_the_known_ones() {
        for url in ["mysql://x", "", "data.db"] {
            let sentence = refusal(url).await;
            assert!(sentence.contains("sqlite:PATH"), "{sentence}");
            assert!(sentence.contains("memory:"), "{sentence}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_url_of_sqlite_needs_a_file() {
        assert!(refusal("sqlite:").await.contains("names no file"));
        assert!(refusal("sqlite::memory:").await.contains("`memory:`"));
    }
}
