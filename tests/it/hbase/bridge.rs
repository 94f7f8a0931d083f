//! A connection between the program and a gateway that a test can hold at a byte of its choice.
//!
//! Owns: [`Bridge`]. May import: std. Must not know: Thrift, what travels.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How long an event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Listens on a port of its own and passes everything on to a gateway.
pub(crate) struct Bridge {
    port: u16,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes of calls that may still pass; `None` for all.
    left: Option<usize>,
    /// Connections whose next byte is held.
    held: usize,
    /// Connections of which an end is open.
    open: usize,
}

impl Bridge {
    pub(crate) fn to(gateway: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner::default());
        let bridge = Self { port, inner: inner.clone() };
        // The thread ends with the test process.
        thread::spawn(move || {
            for client in listener.incoming() {
                // Without a gateway the client sees its connection end.
                if let (Ok(client), Ok(gateway)) =
                    (client, TcpStream::connect(("127.0.0.1", gateway)))
                {
                    inner.connect(client, gateway);
                }
            }
        });
        bridge
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets this many bytes of calls pass and holds what follows, which is sent when it is released, even if the client is
    /// gone by then.
    pub(crate) fn hold_after(&self, bytes: usize) {
        self.inner.change(|state| state.left = Some(bytes));
    }

    /// Lets everything pass.
    pub(crate) fn release(&self) {
        self.inner.change(|state| state.left = None);
    }

    #[track_caller]
    pub(crate) fn wait_until_held(&self) {
        self.wait("nothing was held", |state| state.held > 0);
    }

    /// Waits until all connections have ended at both ends, so the gateway has answered all calls.
    #[track_caller]
    pub(crate) fn wait_until_closed(&self) {
        self.wait("a connection stays open", |state| state.open == 0);
    }

    #[track_caller]
    fn wait(&self, failure: &str, condition: impl Fn(&State) -> bool) {
        let state = self.inner.state.lock().unwrap();
        let wait =
            self.inner.changed.wait_timeout_while(state, PATIENCE, |state| !condition(state));
        assert!(!wait.unwrap().1.timed_out(), "{failure}");
    }
}

impl Inner {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn connect(self: &Arc<Self>, client: TcpStream, gateway: TcpStream) {
        self.change(|state| state.open += 1);
        let (sender, calls) = channel();
        let mut from = client.try_clone().unwrap();
        // Without an end to what may wait, so that a held client can send its call to the end.
        thread::spawn(move || {
            read(&mut from, |bytes| sender.send(bytes.to_vec()).is_ok());
        });
        let to = gateway.try_clone().unwrap();
        let inner = self.clone();
        let sending = thread::spawn(move || {
            // The gateway has gone.
            let _ = inner.send(&calls, &to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let (inner, mut answers, mut to) = (self.clone(), gateway, client);
        thread::spawn(move || {
            // Answers to a client that has gone are read all the same.
            read(&mut answers, |bytes| {
                let _ = to.write_all(bytes);
                true
            });
            let _ = to.shutdown(Shutdown::Both);
            let _ = sending.join();
            inner.change(|state| state.open -= 1);
        });
    }

    fn send(&self, calls: &Receiver<Vec<u8>>, mut to: &TcpStream) -> std::io::Result<()> {
        for bytes in calls {
            let mut bytes = &*bytes;
            while !bytes.is_empty() {
                let (now, later) = bytes.split_at(self.take(bytes.len()));
                to.write_all(now)?;
                bytes = later;
            }
        }
        Ok(())
    }

    /// Waits until something may pass; how much of so many bytes.
    fn take(&self, bytes: usize) -> usize {
        let mut state = self.state.lock().unwrap();
        if state.left == Some(0) {
            state.held += 1;
            self.changed.notify_all();
            state = self.changed.wait_while(state, |state| state.left == Some(0)).unwrap();
            state.held -= 1;
        }
        let Some(left) = &mut state.left else { return bytes };
        let now = bytes.min(*left);
        *left -= now;
        now
    }
}

fn read(from: &mut TcpStream, mut take: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
        && take(&buffer[..length])
    {}
}
