//! The bytes between a client and a gateway: limits on waits and on the length of an answer, frames.
//!
//! Owns: [`Wire`], [`Incoming`], [`Outgoing`]. May import: std, `address`, `failure`. Must not know: messages,
//! calls.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::address::{Address, Transport};
use super::failure::{Failure, GatewayResult};

/// Capacity of the buffers.
const BUFFER_BYTES: usize = 64 * 1024;

/// An open connection. It remembers the first failure of a read or a write, which the crate `thrift` would blur.
pub(super) struct Wire {
    stream: TcpStream,
    /// What may still be read of the current answer.
    answer_bytes_left: AtomicUsize,
    failure: Mutex<Option<Failure>>,
}

impl Wire {
    /// Connects to the first address of the host that accepts. All of them have the timeout together.
    pub(super) fn connect(address: &Address, timeout: Duration) -> GatewayResult<Arc<Self>> {
        let lost = |error: io::Error| Failure::Unreachable(error.to_string());
        let deadline = Instant::now() + timeout;
        let places = (address.host.as_str(), address.port).to_socket_addrs().map_err(lost)?;
        let mut last = None;
        for (place, places_left) in places.as_slice().iter().zip((1..=places.len()).rev()) {
            // One that does not answer leaves time for the others.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(places_left).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(place, share.max(Duration::from_millis(1))) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(lost)?;
                    let wire = Self {
                        stream,
                        answer_bytes_left: AtomicUsize::new(0),
                        failure: Mutex::new(None),
                    };
                    wire.set_timeout(timeout)?;
                    return Ok(Arc::new(wire));
                }
                Err(error) => last = Some(error),
            }
        }
        Err(Failure::Unreachable(last.map_or_else(
            || "the host has no address".to_owned(),
            |error| match error.kind() {
                io::ErrorKind::TimedOut => {
                    format!("the host did not answer within {timeout:?}")
                }
                _ => error.to_string(),
            },
        )))
    }

    /// Limits the wait for the next bytes, and the wait until the next bytes can be sent.
    pub(super) fn set_timeout(&self, timeout: Duration) -> GatewayResult<()> {
        let set = || {
            self.stream.set_read_timeout(Some(timeout))?;
            self.stream.set_write_timeout(Some(timeout))
        };
        set().map_err(|error| Failure::Unreachable(error.to_string()))
    }

    /// Whether the other side has closed the connection, or sent what nobody asked for.
    pub(super) fn is_closed(&self) -> bool {
        let peek = || {
            self.stream.set_nonblocking(true)?;
            let peeked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            peeked
        };
        peek().map_or_else(|error| error.kind() != io::ErrorKind::WouldBlock, |_| true)
    }

    /// Limits what is read from now on.
    pub(super) fn expect_answer(&self, max_bytes: usize) {
        self.answer_bytes_left.store(max_bytes, Ordering::Relaxed);
    }

    /// The first failure of a read or a write.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the failure. The error is not looked at by anybody.
    fn fail(&self, failure: Failure) -> io::Error {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        io::Error::other("see Wire::failure")
    }

    fn broken(&self, error: &io::Error) -> io::Error {
        self.fail(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::TimedOut,
            _ => Failure::Unreachable(error.to_string()),
        })
    }
}

/// The stream's bytes, without an end: an end is a failure, too.
struct Received(Arc<Wire>);

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            return match (&self.0.stream).read(buffer) {
                Ok(0) if !buffer.is_empty() => {
                    Err(self.0.fail(Failure::Unreachable("it closed the connection".to_owned())))
                }
                Ok(length) => Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(self.0.broken(&error)),
            };
        }
    }
}

/// The bytes of answers.
pub(super) struct Incoming {
    received: BufReader<Received>,
    /// What is left of the current frame; `None` without frames.
    frame_bytes_left: Option<usize>,
}

impl Incoming {
    pub(super) fn new(wire: &Arc<Wire>, transport: Transport) -> Self {
        Self {
            received: BufReader::with_capacity(BUFFER_BYTES, Received(wire.clone())),
            frame_bytes_left: (transport == Transport::Framed).then_some(0),
        }
    }

    fn wire(&self) -> &Wire {
        &self.received.get_ref().0
    }

    fn take_from_answer(&self, bytes: usize) -> io::Result<()> {
        let left = self.wire().answer_bytes_left.load(Ordering::Relaxed);
        let left = left.checked_sub(bytes).ok_or_else(|| self.wire().fail(Failure::TooLong))?;
        self.wire().answer_bytes_left.store(left, Ordering::Relaxed);
        Ok(())
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.frame_bytes_left == Some(0) {
            let mut length = [0; 4];
            self.take_from_answer(length.len())?;
            self.received.read_exact(&mut length)?;
            let length = usize::try_from(i32::from_be_bytes(length)).map_err(|_| {
                self.wire().fail(Failure::Protocol("it sent a frame of negative length".to_owned()))
            })?;
            self.frame_bytes_left = Some(length);
        }
        let most = buffer.len().min(self.frame_bytes_left.unwrap_or(usize::MAX));
        let length = self.received.read(&mut buffer[..most])?;
        self.take_from_answer(length)?;
        if let Some(left) = &mut self.frame_bytes_left {
            *left -= length;
        }
        Ok(length)
    }
}

/// The bytes of calls. Each is sent whole, by `flush`.
pub(super) struct Outgoing {
    wire: Arc<Wire>,
    is_framed: bool,
    call: Vec<u8>,
}

impl Outgoing {
    pub(super) fn new(wire: &Arc<Wire>, transport: Transport) -> Self {
        let is_framed = transport == Transport::Framed;
        Self { wire: wire.clone(), is_framed, call: Vec::with_capacity(BUFFER_BYTES) }
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.call.is_empty() && self.is_framed {
            self.call.extend_from_slice(&[0; 4]);
        }
        self.call.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_framed && !self.call.is_empty() {
            let length = i32::try_from(self.call.len() - 4).map_err(|_| {
                self.wire.fail(Failure::Protocol("it cannot take a call of 2 GiB".to_owned()))
            })?;
            self.call[..4].copy_from_slice(&length.to_be_bytes());
        }
        let sent = (&self.wire.stream).write_all(&self.call);
        self.call.clear();
        self.call.shrink_to(BUFFER_BYTES);
        sent.map_err(|error| self.wire.broken(&error))
    }
}
