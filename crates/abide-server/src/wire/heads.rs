//! The heads of requests, before hyper reads them: what a person typed into a query is encoded here.
//!
//! `curl 'http://…/v1/objects/Counter?where=count>5'` sends the `>` as it is. It is not allowed in a URL,
//! and hyper refuses the whole request. Only queries of GET and HEAD are looked at, from the first request
//! of a connection on, for as long as it is certain where a head begins: until one has a body. Paths are
//! left alone, since what stands before us may have decided by them who may ask.

/// Headers after which the next bytes are no head.
const FOLLOWED: [&str; 3] = ["content-length", "transfer-encoding", "upgrade"];

/// What stands between a connection and hyper.
#[derive(Debug)]
pub(super) struct Heads {
    /// A head that is not complete.
    held: Vec<u8>,
    /// How far it was looked through for its end.
    scanned: usize,
    /// Whether nothing is looked at any more.
    over: bool,
    /// The longest head.
    bytes_max: usize,
}

/// What becomes of bytes that have arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// They are handed on as they are.
    Untouched,
    /// They were held back, or written to what is ready, perhaps changed.
    Taken,
}

/// What a piece of a connection begins with.
enum Look {
    /// Nothing that is looked at, now and later.
    Else,
    /// A head that is not complete.
    Partial,
    /// A head of this length.
    Head { len: usize, written: Option<Vec<u8>>, last: bool },
}

impl Heads {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { held: Vec::new(), scanned: 0, over: false, bytes_max }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Takes what has arrived; what may be read of it is appended to `ready`.
    pub(super) fn take(&mut self, arrived: &[u8], ready: &mut Vec<u8>) -> Arrived {
        if self.held.is_empty() && self.are_clean(arrived) {
            return Arrived::Untouched;
        }
        self.held.extend_from_slice(arrived);
        let mut at = 0;
        while !self.over && at < self.held.len() {
            match look(&self.held[at..], self.scanned) {
                Look::Else => self.over = true,
                Look::Partial if self.held.len() - at > self.bytes_max => self.over = true,
                Look::Partial => {
                    self.scanned = self.held.len() - at;
                    break;
                }
                Look::Head { len, written, last } => {
                    ready.extend_from_slice(written.as_deref().unwrap_or(&self.held[at..at + len]));
                    (self.over, self.scanned) = (last, 0);
                    at += len;
                }
            }
        }
        if self.over {
            ready.extend_from_slice(&self.held[at..]);
            self.held = Vec::new();
        } else {
            self.held.drain(..at);
        }
        Arrived::Taken
    }

    /// The connection has ended: whatever is held is all there is.
    pub(super) fn end(&mut self, ready: &mut Vec<u8>) {
        ready.append(&mut self.held);
        self.over = true;
    }

    /// Whether these are whole heads that need no change.
    fn are_clean(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match look(bytes, 0) {
                Look::Head { len, written: None, last: false } => bytes = &bytes[len..],
                Look::Else | Look::Head { written: None, last: true, .. } => {
                    self.over = true;
                    return true;
                }
                Look::Partial | Look::Head { written: Some(_), .. } => return false,
            }
        }
        true
    }
}

fn look(bytes: &[u8], scanned: usize) -> Look {
    let begins = |method: &[u8]| bytes.iter().zip(method).all(|(byte, expected)| byte == expected);
    if !begins(b"GET ") && !begins(b"HEAD ") {
        return Look::Else;
    }
    let Some(len) = end_of_head(bytes, scanned) else {
        return Look::Partial;
    };
    let mut lines = bytes[..len].split_inclusive(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let last = lines.any(is_followed);
    let written = write_line(line).map(|mut head| {
        head.extend_from_slice(&bytes[line.len()..len]);
        head
    });
    Look::Head { len, written, last }
}

/// Where the head ends: after its first empty line.
fn end_of_head(bytes: &[u8], scanned: usize) -> Option<usize> {
    let from = scanned.saturating_sub(3);
    bytes.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'\n').find_map(|(at, _)| {
        let rest = &bytes[at + 1..];
        if rest.starts_with(b"\n") { Some(at + 2) } else { rest.starts_with(b"\r\n").then_some(at + 3) }
    })
}

fn is_followed(header: &[u8]) -> bool {
    let name = header.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
    FOLLOWED.iter().any(|followed| name.eq_ignore_ascii_case(followed.as_bytes()))
}

/// The first line of a head with its query encoded, if it has to be.
fn write_line(line: &[u8]) -> Option<Vec<u8>> {
    let query = line.iter().position(|byte| *byte == b'?')? + 1;
    let end = line.iter().rposition(|byte| *byte == b' ').filter(|end| *end > query)?;
    let spaces_before = line[..query].iter().filter(|byte| **byte == b' ').count();
    if spaces_before != 1 || !line[end..].starts_with(b" HTTP/1.") || !line[query..end].iter().any(must_be_encoded) {
        return None;
    }
    let mut written = Vec::with_capacity(line.len() + 16);
    written.extend_from_slice(&line[..query]);
    for byte in &line[query..end] {
        if must_be_encoded(byte) {
            written.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            written.push(*byte);
        }
    }
    written.extend_from_slice(&line[end..]);
    Some(written)
}

/// The printable characters that a query may not have, and people type all the same.
fn must_be_encoded(byte: &u8) -> bool {
    matches!(byte, b' ' | b'"' | b'<' | b'>')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of a connection that gets these pieces.
    fn read(pieces: &[&[u8]]) -> String {
        let (mut heads, mut read) = (Heads::new(1000), Vec::new());
        for piece in pieces {
            if heads.is_over() || heads.take(piece, &mut read) == Arrived::Untouched {
                read.extend_from_slice(piece);
            }
        }
        heads.end(&mut read);
        String::from_utf8(read).unwrap()
    }

    fn check(sent: &str, expected: &str) {
        assert_eq!(read(&[sent.as_bytes()]), expected);
        let bytes: Vec<&[u8]> = sent.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes), expected, "byte by byte");
    }

    #[test]
    fn what_was_typed_into_a_query_is_encoded() {
        check("GET /a?where=n>5 HTTP/1.1\r\nhost: b\r\n\r\n", "GET /a?where=n%3E5 HTTP/1.1\r\nhost: b\r\n\r\n");
        check("HEAD /a?x=\"1 <2\" HTTP/1.0\n\n", "HEAD /a?x=%221%20%3C2%22 HTTP/1.0\n\n");
    }

    #[test]
    fn every_request_of_a_connection_is_looked_at_until_one_has_a_body() {
        let get = "GET /a?b>c HTTP/1.1\r\n\r\n";
        let encoded = "GET /a?b%3Ec HTTP/1.1\r\n\r\n";
        check(&get.repeat(3), &encoded.repeat(3));
        for header in ["Content-Length: 25", "transfer-encoding: chunked", "UPGRADE: websocket"] {
            let with = |line: &str| format!("GET /a?b{line}c HTTP/1.1\r\n{header}\r\n\r\n{get}");
            check(&with(">"), &with("%3E"));
        }
        check(&format!("POST /a HTTP/1.1\r\n\r\n{get}"), &format!("POST /a HTTP/1.1\r\n\r\n{get}"));
    }

    #[test]
    fn paths_and_what_is_no_request_stay_as_they_are() {
        for text in [
            "GET /a>b HTTP/1.1\r\n\r\n",
            "GET /a b?c>d HTTP/1.1\r\n\r\n",
            "GET /a?b=%3E+c&d='é' HTTP/1.1\r\n\r\n",
            "GET /a?b>c\r\n\r\n",
            "GET /a?b>c HTTP/2\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /a?b>c HTTP/1.1\r\nhos",
            "GE",
            "\r\nGET /a?b>c HTTP/1.1\r\n\r\n",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn a_head_over_the_limit_is_handed_on() {
        let (mut heads, mut ready) = (Heads::new(1000), Vec::new());
        let long = "GET /a?b>c HTTP/1.1\r\nx: ".to_owned() + &"x".repeat(2000);
        assert_eq!(heads.take(long.as_bytes(), &mut ready), Arrived::Taken);
        assert!(heads.is_over() && ready == long.as_bytes());
    }

    proptest! {
        #[test]
        fn how_a_connection_is_cut_into_pieces_makes_no_difference(
            parts in prop::collection::vec(prop::sample::select(vec![
                "GET /a?", "HEAD ", "POST /", "b>c", " HTTP/1.1", "\r\n", "\n", "\r\n\r\n", "content-length: 3", "é",
            ]), 0..20),
            cuts in prop::collection::vec(0..200usize, 0..6),
        ) {
            let sent = parts.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < sent.len()).collect();
            cuts.extend([0, sent.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> =
                cuts.windows(2).map(|cut| &sent[cut[0]..cut[1]]).filter(|piece| !piece.is_empty()).collect();
            prop_assert_eq!(read(&pieces), read(&[&sent]));
        }
    }
}
