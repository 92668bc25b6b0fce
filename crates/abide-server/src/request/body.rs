//! Bodies: read within a limit and a time, decompressed within a limit.

use std::io::Read;

use abide_core::{Code, Error, Result, duration::format_duration};
use axum::{
    body::HttpBody,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::{Limits, Problem};

/// How a body was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

/// Frames of zstd may not ask for a larger window than this (8 MiB, RFC 9659).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How much of a body that is too large is read and thrown away, so that its sender gets to the answer.
const LINGER_BYTES: usize = 16 << 20;

/// Reads the whole body, as it was before it was compressed.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, limits: &Limits) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let coding = coding(headers)?;
    let sent = collect(headers, body, limits).await?;
    match coding {
        Coding::Identity => Ok(sent),
        coding if sent.is_empty() => decompress(coding, &sent, 0).or(Ok(sent)),
        coding => Ok(decompress(coding, &sent, limits.decompressed_bytes)?),
    }
}

async fn collect<B>(headers: &HeaderMap, mut body: B, limits: &Limits) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    // Most bodies are there with their head, whole: no timer and no copy for them.
    let mut gather = std::pin::pin!(gather(headers, &mut body, limits.body_bytes));
    if let Some(done) = gather.as_mut().now_or_never() {
        return done;
    }
    timeout(limits.body_timeout, gather).await.unwrap_or_else(|_| {
        let time = format_duration(limits.body_timeout);
        let detail = format!("the body did not arrive within {time}; nothing was changed");
        Err(Problem::from(Error::new(Code::Deadline, detail)).with_status(StatusCode::REQUEST_TIMEOUT))
    })
}

async fn gather<B>(headers: &HeaderMap, body: &mut B, bytes_max: usize) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(linger(headers, body, announced, bytes_max).await);
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::bad_request(format!("the body could not be read to its end: {error}; nothing was changed"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.reserve(announced.max(first.len() + data.len()));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
        let so_far = all.len().max(first.len());
        if so_far > bytes_max {
            return Err(linger(headers, body, so_far, bytes_max).await);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Refuses a body that is too large. A sender that does not wait for `100 Continue` only looks for the
/// answer once it has sent everything: some of that is thrown away for it.
async fn linger<B>(headers: &HeaderMap, body: &mut B, bytes: usize, bytes_max: usize) -> Problem
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    if !headers.contains_key(header::EXPECT) && bytes <= LINGER_BYTES {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = match frame.data_ref().map(|data| left.checked_sub(data.len())) {
                Some(Some(left)) => left,
                Some(None) => break,
                None => left,
            };
        }
    }
    let detail = format!("the body is longer than the limit of {bytes_max} bytes; nothing was changed");
    Error::new(Code::TooLarge, detail).into()
}

fn coding(headers: &HeaderMap) -> Result<Coding, Problem> {
    let mut all = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = all.next() else {
        return Ok(Coding::Identity);
    };
    let known = match value.as_bytes().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => Some(Coding::Identity),
        b"gzip" | b"x-gzip" => Some(Coding::Gzip),
        b"zstd" => Some(Coding::Zstd),
        _ => None,
    };
    known.filter(|_| all.next().is_none()).ok_or_else(|| {
        let detail = "a body is compressed with gzip or zstd, once, or not at all; nothing was changed";
        Problem::from(Error::new(Code::UnsupportedMedia, detail)).with_header(header::ACCEPT_ENCODING, "gzip, zstd")
    })
}

/// Decompresses, and stops as soon as there is more than `bytes_max`.
pub(crate) fn decompress(coding: Coding, sent: &[u8], bytes_max: usize) -> Result<Bytes> {
    let broken = |error: std::io::Error| {
        let name = if coding == Coding::Gzip { "gzip" } else { "zstd" };
        Error::bad_request(format!("the body cannot be decompressed as {name}: {error}; nothing was changed"))
    };
    let mut out = Vec::new();
    let most = bytes_max as u64 + 1;
    match coding {
        Coding::Identity => return Ok(Bytes::copy_from_slice(sent)),
        Coding::Gzip => flate2::read::MultiGzDecoder::new(sent).take(most).read_to_end(&mut out).map_err(broken)?,
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(sent).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(broken)?;
            decoder.take(most).read_to_end(&mut out).map_err(broken)?
        }
    };
    if out.len() > bytes_max {
        let detail =
            format!("the body is longer than the limit of {bytes_max} bytes once decompressed; nothing was changed");
        return Err(Error::new(Code::TooLarge, detail));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let text = b"hello hello hello hello";
        assert_eq!(decompress(Coding::Gzip, &gzip(text), 100).unwrap(), &text[..]);
        let zstd = zstd::encode_all(&text[..], 3).unwrap();
        assert_eq!(decompress(Coding::Zstd, &zstd, 100).unwrap(), &text[..]);
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let zeros = vec![0; 64 << 20];
        let zstd = zstd::encode_all(&zeros[..], 3).unwrap();
        for (coding, bomb) in [(Coding::Gzip, gzip(&zeros)), (Coding::Zstd, zstd)] {
            assert!(bomb.len() < 100_000);
            assert_eq!(decompress(coding, &bomb, 1 << 20).unwrap_err().code(), Code::TooLarge);
        }
    }

    #[test]
    fn broken_and_cut_off_bodies_are_refused() {
        let whole = gzip(b"hello hello hello hello");
        for (coding, bytes) in [
            (Coding::Gzip, &b"not gzip"[..]),
            (Coding::Gzip, &whole[..whole.len() - 4]),
            (Coding::Zstd, b"not zstd"),
            (Coding::Zstd, &zstd::encode_all(&b"hello"[..], 3).unwrap()[..8]),
        ] {
            assert_eq!(decompress(coding, bytes, 100).unwrap_err().code(), Code::BadRequest);
        }
    }

    #[test]
    fn a_zstd_frame_with_a_huge_window_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![7; 1 << 20]).unwrap();
        let frame = encoder.finish().unwrap();
        assert_eq!(decompress(Coding::Zstd, &frame, 2 << 20).unwrap_err().code(), Code::BadRequest);
    }
}
