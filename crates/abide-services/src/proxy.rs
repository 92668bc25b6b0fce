//! A TCP proxy that fails on purpose.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::ServiceError;

/// How much is read at once.
const CHUNK_BYTES: usize = 16 << 10;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// When all connections are cut, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// When so many more bytes have gone this way; those still arrive.
    AfterBytes(Direction, u64),
    /// Just before this text would go this way; nothing of the piece that holds it arrives.
    Before(Direction, Vec<u8>),
    /// Just after this text went this way; the piece that holds it arrives.
    After(Direction, Vec<u8>),
}

/// A port of the loopback address behind which is a server, as long as the proxy lets it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    control: Arc<Control>,
}

#[derive(Debug)]
struct Control {
    target: SocketAddr,
    ended: AtomicBool,
    held: AtomicUsize,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    refused: bool,
    delay: Duration,
    cut: Option<Cut>,
    cuts: u64,
    open: Vec<TcpStream>,
}

impl Proxy {
    /// A proxy before the server on this port of the loopback address.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(port: u16) -> Result<Self, ServiceError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let control = Arc::new(Control {
            target,
            ended: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            rules: Mutex::default(),
        });
        let proxy = Self { port: listener.local_addr()?.port(), control: Arc::clone(&control) };
        thread::Builder::new().name("proxy".into()).spawn(move || accept(&listener, &control))?;
        Ok(proxy)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections now; new ones are let through.
    pub fn cut(&self) {
        self.control.rules().cut_all();
    }

    /// Cuts all connections when that happens, once; new ones are let through.
    pub fn cut_when(&self, cut: Cut) {
        self.control.rules().cut = Some(cut);
    }

    /// How often connections were cut.
    pub fn cuts(&self) -> u64 {
        self.control.rules().cuts
    }

    /// Cuts all connections and lets no new one through.
    pub fn refuse(&self) {
        let mut rules = self.control.rules();
        rules.refused = true;
        rules.cut_all();
    }

    /// Lets new connections through again.
    pub fn allow(&self) {
        self.control.rules().refused = false;
    }

    /// Every piece of data waits so long before it goes on.
    pub fn delay(&self, delay: Duration) {
        self.control.rules().delay = delay;
    }

    /// How many pieces of data wait now.
    pub fn held(&self) -> usize {
        self.control.held.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.control.ended.store(true, Ordering::SeqCst);
        self.refuse();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Control {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    fn cut_all(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.cut = None;
        self.cuts += 1;
    }

    /// How much of a piece may go on, and whether to cut then.
    fn pass(&mut self, direction: Direction, piece: &[u8]) -> (usize, bool) {
        let holds = |text: &[u8]| piece.windows(text.len().max(1)).any(|window| window == text);
        match &mut self.cut {
            Some(Cut::AfterBytes(way, left)) if *way == direction => {
                if (piece.len() as u64) < *left {
                    *left -= piece.len() as u64;
                    (piece.len(), false)
                } else {
                    (usize::try_from(*left).unwrap_or(piece.len()), true)
                }
            }
            Some(Cut::Before(way, text)) if *way == direction && holds(text) => (0, true),
            Some(Cut::After(way, text)) if *way == direction && holds(text) => (piece.len(), true),
            _ => (piece.len(), false),
        }
    }
}

fn accept(listener: &TcpListener, control: &Arc<Control>) {
    while let Ok((client, _)) = listener.accept() {
        if control.ended.load(Ordering::SeqCst) {
            return;
        }
        let mut rules = control.rules();
        if !rules.refused
            && let Ok(server) = TcpStream::connect(control.target)
        {
            let _ = connect(&client, &server, control, &mut rules);
        }
    }
}

/// Starts both ways of a connection.
fn connect(client: &TcpStream, server: &TcpStream, control: &Arc<Control>, rules: &mut Rules) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    rules.open.extend([client.try_clone()?, server.try_clone()?]);
    for (from, to, direction) in [(client, server, Direction::ToServer), (server, client, Direction::ToClient)] {
        let (from, to, control) = (from.try_clone()?, to.try_clone()?, Arc::clone(control));
        thread::Builder::new().name("proxy-way".into()).spawn(move || pump(from, to, direction, &control))?;
    }
    Ok(())
}

/// Moves what comes from one side to the other until one of them closes.
fn pump(mut from: TcpStream, mut to: TcpStream, direction: Direction, control: &Control) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let delay = control.rules().delay;
        if !delay.is_zero() {
            control.held.fetch_add(1, Ordering::SeqCst);
            thread::sleep(delay);
            control.held.fetch_sub(1, Ordering::SeqCst);
        }
        let (pass, cut) = control.rules().pass(direction, &buffer[..count]);
        let sent = to.write_all(&buffer[..pass]);
        if cut {
            control.rules().cut_all();
        }
        if cut || sent.is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut buffer = [0; 64];
                    while let Ok(count @ 1..) = (&stream).read(&mut buffer) {
                        (&stream).write_all(&buffer[..count]).unwrap();
                    }
                });
            }
        });
        port
    }

    fn ask(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        let _ = stream.write_all(text);
        let mut answer = vec![0; text.len()];
        let mut got = 0;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        while got < answer.len()
            && let Ok(count @ 1..) = stream.read(&mut answer[got..])
        {
            got += count;
        }
        answer.truncate(got);
        answer
    }

    #[test]
    fn what_passes_is_cut_at_the_byte_or_at_the_text() {
        let proxy = Proxy::start(echo()).unwrap();
        for (cut, answer) in [
            (None, "one two"),
            (Some(Cut::AfterBytes(Direction::ToClient, 3)), "one"),
            (Some(Cut::Before(Direction::ToServer, b"two".to_vec())), ""),
            (Some(Cut::Before(Direction::ToServer, b"three".to_vec())), "one two"),
            (Some(Cut::After(Direction::ToClient, b"one".to_vec())), "one two"),
        ] {
            if let Some(cut) = cut.clone() {
                proxy.cut_when(cut);
            }
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
            assert_eq!(String::from_utf8(ask(&mut stream, b"one two")).unwrap(), answer, "{cut:?}");
        }
        // What a cut lets through may arrive before the cut.
        let patience = Instant::now() + Duration::from_secs(10);
        while proxy.cuts() < 3 && Instant::now() < patience {
            thread::yield_now();
        }
        assert_eq!(proxy.cuts(), 3);
        proxy.refuse();
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()));
        assert_eq!(refused.map(|mut stream| ask(&mut stream, b"x")).unwrap_or_default(), b"");
    }
}
