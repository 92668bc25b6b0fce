use std::sync::Arc;

use abide_core::{Store, StoreError, key::SHARDS_DEFAULT};

use crate::{
    error::OpenError,
    memory::MemoryStore,
    split::{self, SplitStore},
};

/// What stands between the databases of a store in several: no URL has it.
const BETWEEN: char = '|';

/// Opens the store a URL names: `sqlite:PATH` (created if it is not there), `postgres://HOST/DATABASE`
/// (its tables are created if they are not there), `redis://HOST` (with the options of `RedisOptions`) or
/// `memory:`. `shards:URL|URL` is one store in several databases.
///
/// # Errors
/// [`OpenError`] says what stands in the way and what to do.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, OpenError> {
    open_as(url, true).await
}

/// The URL of one store in several databases.
#[must_use]
pub fn join(urls: &[String]) -> String {
    format!("shards:{}", urls.join(&BETWEEN.to_string()))
}

async fn open_as(url: &str, create: bool) -> Result<Arc<dyn Store>, OpenError> {
    let Some(urls) = url.strip_prefix("shards:") else {
        let store = open_one(url, create).await?;
        let part = store.note(split::PART).await;
        return alone(url, part).map(|()| store);
    };
    let mut stores = Vec::new();
    for url in urls.split(BETWEEN).map(str::trim) {
        stores.push((shown(url), open_one(url, create).await?));
    }
    match create {
        true => Ok(Arc::new(SplitStore::open(stores).await?)),
        false => Ok(Arc::new(SplitStore::open_existing(stores).await?)),
    }
}

/// Refuses a database that is a part of a larger store.
fn alone(url: &str, part: Result<Option<String>, StoreError>) -> Result<(), OpenError> {
    let path = || shown(url).into();
    match part {
        Ok(None) => Ok(()),
        Ok(Some(part)) => Err(OpenError::PartOnly { path: path(), part: split::part_shown(&part) }),
        Err(error) => Err(OpenError::Failed { path: path(), why: error.to_string() }),
    }
}

async fn open_one(url: &str, create: bool) -> Result<Arc<dyn Store>, OpenError> {
    if !create {
        return look_at(url).await;
    }
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "memory" => Ok(Arc::new(MemoryStore::new(SHARDS_DEFAULT))),
        "sqlite" => sqlite(url, rest.strip_prefix("//").unwrap_or(rest)),
        "postgres" | "postgresql" => postgres(url, scheme).await,
        "redis" | "rediss" => redis(url, scheme).await,
        _ => Err(OpenError::UnknownScheme { url: shown(url) }),
    }
}

/// Opens the store that a URL names if it is there, and makes none: no file, no tables, no keys, no parts. Beside a process
/// that uses it, where the store can be shared at all.
///
/// # Errors
/// [`OpenError`]: that there is none, or what stands in the way.
pub async fn open_existing(url: &str) -> Result<Arc<dyn Store>, OpenError> {
    open_as(url, false).await
}

async fn look_at(url: &str) -> Result<Arc<dyn Store>, OpenError> {
    match url.split_once(':') {
        #[cfg(feature = "sqlite")]
        Some(("sqlite", rest)) => {
            let path = std::path::Path::new(rest.strip_prefix("//").unwrap_or(rest));
            if !path.exists() {
                return Err(OpenError::NotThere { path: path.into() });
            }
            let options = crate::SqliteOptions { create: false, exclusive: false, ..crate::SqliteOptions::default() };
            Ok(Arc::new(crate::SqliteStore::open(path, options)?))
        }
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => {
            let options = crate::PostgresOptions { create: false, ..crate::PostgresOptions::default() };
            Ok(Arc::new(crate::PostgresStore::open(url, options).await?))
        }
        #[cfg(feature = "redis")]
        Some(("redis" | "rediss", _)) => {
            let (base, options) = crate::RedisOptions::parse(url)?;
            let options = crate::RedisOptions { create: false, ..options };
            Ok(Arc::new(crate::RedisStore::open_with(&base, options).await?))
        }
        Some(("memory", _)) => Err(OpenError::BadUrl {
            url: url.into(),
            why: "a store in memory is seen by its own process only: ask the node that has it".into(),
        }),
        // What this program knows nothing of makes nothing.
        _ => Box::pin(open_one(url, true)).await,
    }
}

/// A store's URL as it may be printed: `***` stands for a password, before the host or among the options.
pub fn shown(url: &str) -> String {
    if let Some(urls) = url.strip_prefix("shards:") {
        return join(&urls.split(BETWEEN).map(|url| shown(url.trim())).collect::<Vec<_>>());
    }
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    if scheme == "sqlite" {
        return url.into();
    }
    let (place, options) = rest.split_once('?').map_or((rest, None), |(place, options)| (place, Some(options)));
    // The last `@` ends the password, also where one stands unescaped in it.
    let place = match place.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{user}:***@{host}"),
        _ => place.into(),
    };
    let hidden = |option: &str| match option.split_once('=') {
        Some((name @ ("password" | "sslpassword"), _)) => format!("{name}=***"),
        _ => option.to_owned(),
    };
    let options = options.map(|options| Vec::from_iter(options.split('&').map(hidden)).join("&"));
    options.map_or_else(|| format!("{scheme}://{place}"), |options| format!("{scheme}://{place}?{options}"))
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
    async fn looking_for_a_store_makes_none_in_memory() {
        let error = open_existing("memory:").await.map(|store| store.name()).unwrap_err();
        assert!(error.to_string().contains("its own process only"), "{error}");
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn looking_for_a_store_makes_none_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.db");
        std::fs::write(&empty, "").unwrap();
        for path in [folder.path().join("none.db"), empty.clone()] {
            let url = format!("sqlite:{}", path.display());
            let error = open_existing(&url).await.map(|store| store.name()).unwrap_err();
            assert!(matches!(error, OpenError::NotThere { .. }), "{url}: {error}");
        }
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!((left, std::fs::read(&empty).unwrap()), (vec!["empty.db".into()], Vec::new()));
        let url = format!("sqlite:{}", empty.display());
        open(&url).await.unwrap().close().await;
        assert_eq!(open_existing(&url).await.unwrap().name(), "sqlite");
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
            assert!(sentence.contains("postgres://") && sentence.contains("redis://"), "{sentence}");
        }
    }

    #[tokio::test]
    async fn a_password_is_never_shown() {
        for (url, expected) in [
            ("postgres://user:pw@host/db", "postgres://user:***@host/db"),
            ("postgres://user:p@w/d@a:1,b:2/db?schema=s", "postgres://user:***@a:1,b:2/db?schema=s"),
            ("postgres://host/db?user=me&password=pw&schema=s", "postgres://host/db?user=me&password=***&schema=s"),
            ("redis://:pw@host:6379/0", "redis://:***@host:6379/0"),
            ("redis://host:6379/0?prefix=a", "redis://host:6379/0?prefix=a"),
            ("postgres://user@host/db", "postgres://user@host/db"),
            ("sqlite:data/abide.db", "sqlite:data/abide.db"),
            ("sqlite://a:b@c.db", "sqlite://a:b@c.db"),
            ("memory:", "memory:"),
            (
                "shards:postgres://u:pw@a/db|postgres://b/db?password=pw",
                "shards:postgres://u:***@a/db|postgres://b/db?password=***",
            ),
        ] {
            assert_eq!(shown(url), expected);
        }
        assert!(!refusal("mysql://user:pw@host").await.contains("pw"));
    }

    #[tokio::test]
    async fn several_databases_are_one_store() {
        let url = join(&["memory:".to_owned(), "memory:".to_owned()]);
        assert_eq!(url, "shards:memory:|memory:");
        assert_eq!(open(&url).await.unwrap().name(), "split");
        assert!(refusal("shards:memory:").await.contains("1 databases were named"));
        assert!(refusal("shards:memory:|mysql://u:pw@h").await.contains("mysql://u:***@h"));
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_url_of_sqlite_needs_a_file() {
        assert!(refusal("sqlite:").await.contains("names no file"));
        assert!(refusal("sqlite::memory:").await.contains("`memory:`"));
    }
}
