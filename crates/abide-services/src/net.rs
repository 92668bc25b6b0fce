//! Free ports, and waiting until something is ready.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use crate::ServiceError;

/// How often a thing is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A port of the loopback address that nobody listened on a moment ago.
///
/// # Errors
/// What the system says.
pub fn free_port() -> io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}

/// Looks again and again until `ready` gives something.
///
/// # Errors
/// What `ready` fails with, or that `what` took longer than `limit`.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>, ServiceError>,
) -> Result<T, ServiceError> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = ready()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(ServiceError::new(format!("{what} took longer than {limit:?}")));
        }
        thread::sleep(LOOK_EVERY);
    }
}
