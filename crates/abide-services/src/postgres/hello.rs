use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// How long a server may take to say hello before it counts as not there.
const HELLO_WITHIN: Duration = Duration::from_secs(1);

/// Whether a server on this port of the loopback address lets a client in: it asks for a password, or
/// is content without one.
pub(super) fn lets_in(port: u16) -> bool {
    greeting(port).is_some_and(|first| first == b'R')
}

/// The first byte of the answer to a client's first message.
fn greeting(port: u16) -> Option<u8> {
    const VERSION_3: u32 = 196_608;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(HELLO_WITHIN)).ok()?;
    let settings = b"user\0postgres\0database\0postgres\0\0";
    let mut message = u32::try_from(settings.len() + 8).ok()?.to_be_bytes().to_vec();
    message.extend(VERSION_3.to_be_bytes());
    message.extend(settings);
    stream.write_all(&message).ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    let goodbye = [b'X', 0, 0, 0, 4];
    let _ = stream.write_all(&goodbye);
    Some(first[0])
}
