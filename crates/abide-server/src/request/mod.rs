//! What is received: paths, queries, headers and bodies, each read strictly and within a limit.

pub(crate) mod arguments;
pub(crate) mod body;
pub(crate) mod cursor;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod percent;
pub(crate) mod query;
pub(crate) mod trace;

/// Each parser that faces a client, on any text: none may panic.
pub(crate) mod fuzz {
    use abide_core::Result;

    /// Reads a path under `/v1/objects/`.
    pub fn path(text: &str) -> Result<()> {
        super::path::ObjectPath::parse(text).map(drop)
    }

    /// Reads a query.
    pub fn query(text: &str) -> Result<()> {
        let mut query = super::query::Query::parse(Some(text))?;
        query.number("after")?;
        query.text("where")?;
        query.finish()
    }

    /// Reads the arguments of a call.
    pub fn arguments(bytes: &[u8]) -> Result<()> {
        super::arguments::read(bytes, 100).map(drop)
    }

    /// Decompresses a body.
    pub fn decompress(gzip: bool, bytes: &[u8]) -> Result<()> {
        let coding = if gzip { super::body::Coding::Gzip } else { super::body::Coding::Zstd };
        super::body::decompress(coding, bytes, 1 << 20).map(drop)
    }

    /// Reads a `traceparent`.
    pub fn traceparent(text: &str) -> bool {
        super::trace::parse(text).is_some()
    }

    /// Reads the cursor of a list.
    pub fn cursor(text: &str) -> Result<()> {
        super::cursor::read::<Vec<String>>(text).map(drop)
    }
}
