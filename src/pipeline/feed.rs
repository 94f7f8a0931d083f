//! Threads that read streams: pipes, standard input, compressed files. So decoding overlaps parsing, and several inputs are
//! decoded at the same time.
//!
//! Owns: the threads, and the bounded channel for their blocks. May import: `source`, `parse` (detection). Must not know:
//! windows, what was read of an input, what is counted.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::judge::Judge;
use crate::parse::Format;
use crate::parse::detect::Refusal;
use crate::source::{Stream, StreamBlock, StreamEnd};

/// Number of blocks, of about 1 MiB each, that may wait for a worker, for each reading thread.
const WAITING_BLOCKS: usize = 2;

/// A message from a reading thread about its input. Messages about one input arrive in order.
pub(super) enum Event {
    /// The input could be opened; its format, if it does not depend on its lines.
    Opened { input: usize, format: Option<Arc<Format>> },
    /// The next lines of the input: its block number `block`.
    Lines { input: usize, block: usize, format: Option<Arc<Format>>, lines: StreamBlock },
    /// The format of the input is decided: warnings about it, or why the input is left out.
    Judged { input: usize, verdict: Result<Vec<String>, Refusal> },
    /// Nothing follows. Without an error, the input was read to its end.
    Ended { input: usize, end: StreamEnd, error: Option<io::Error> },
}

/// An input for a thread of its own to read.
pub(super) struct Feed {
    pub(super) input: usize,
    /// Judges the format of the input.
    pub(super) judge: Judge,
    /// Offset in the log before which lines are left out: those that start there were counted in another run.
    pub(super) start_offset: u64,
    /// Size of the blocks in which to hash the log; `None` not to hash it.
    pub(super) hashed_blocks: Option<u64>,
}

/// The reading threads of a run. Each ends with its input, or soon after `self` is dropped.
pub(super) struct Feeds {
    sender: SyncSender<Event>,
    receiver: Receiver<Event>,
    active: usize,
}

impl Feeds {
    /// Room for `threads` threads at a time.
    pub(super) fn new(threads: usize) -> Self {
        let (sender, receiver) = sync_channel(threads * WAITING_BLOCKS);
        Self { sender, receiver, active: 0 }
    }

    /// Number of inputs that have not ended.
    pub(super) fn active(&self) -> usize {
        self.active
    }

    /// Starts a thread that calls `open`, which may block, and reads the stream.
    pub(super) fn start(
        &mut self,
        feed: Feed,
        open: impl FnOnce() -> io::Result<Stream> + Send + 'static,
    ) -> io::Result<()> {
        let mut end = EndOfFeed { sender: self.sender.clone(), input: feed.input, result: None };
        std::thread::Builder::new().name("read".to_owned()).spawn(move || {
            let result = feed.run(&end.sender, open);
            end.set_result(result);
        })?;
        self.active += 1;
        Ok(())
    }

    /// The next event; `None` if there is none within `timeout`.
    pub(super) fn next(&mut self, timeout: Duration) -> Option<Event> {
        // The channel is never closed: `self` holds a sender.
        let event = match self.receiver.recv_timeout(timeout) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        if matches!(event, Event::Ended { .. }) {
            self.active -= 1;
        }
        Some(event)
    }
}

/// Sends [`Event::Ended`] when it is dropped, even if its thread panics.
struct EndOfFeed {
    sender: SyncSender<Event>,
    input: usize,
    result: Option<(StreamEnd, Option<io::Error>)>,
}

impl EndOfFeed {
    /// A method, so that the thread's closure takes all of `self`.
    fn set_result(&mut self, result: (StreamEnd, Option<io::Error>)) {
        self.result = Some(result);
    }
}

impl Drop for EndOfFeed {
    fn drop(&mut self) {
        let (end, error) = self.result.take().unwrap_or_else(|| {
            (StreamEnd::default(), Some(io::Error::other("the thread that reads it failed")))
        });
        // Without a receiver the run has ended already.
        let _ = self.sender.send(Event::Ended { input: self.input, end, error });
    }
}

impl Feed {
    /// Opens the stream and sends its blocks; returns its end, and the error if there was one.
    fn run(
        mut self,
        sender: &SyncSender<Event>,
        open: impl FnOnce() -> io::Result<Stream>,
    ) -> (StreamEnd, Option<io::Error>) {
        let mut stream = match open() {
            Ok(stream) => stream,
            Err(error) => return (StreamEnd::default(), Some(error)),
        };
        if let Some(block_bytes) = self.hashed_blocks {
            stream = stream.identify(block_bytes);
        }
        let error = self.send_blocks(sender, &mut stream).err();
        (stream.end(), error)
    }

    fn send_blocks(&mut self, sender: &SyncSender<Event>, stream: &mut Stream) -> io::Result<()> {
        let input = self.input;
        if sender.send(Event::Opened { input, format: self.judge.format() }).is_err() {
            return Ok(());
        }
        let (mut block, mut is_judged) = (0, false);
        while let Some(mut lines) = stream.next_block()? {
            if !is_judged {
                let verdict = self.judge.look_at(&lines.bytes);
                is_judged = verdict != Ok(false);
                if is_judged {
                    let is_refused = verdict.is_err();
                    let verdict = verdict.map(|_| self.judge.take_warnings());
                    let is_sent = sender.send(Event::Judged { input, verdict }).is_ok();
                    if is_refused || !is_sent {
                        return Ok(());
                    }
                }
            }
            lines.skip_to(self.start_offset);
            let event = Event::Lines { input, block, format: self.judge.format(), lines };
            if sender.send(event).is_err() {
                return Ok(());
            }
            block += 1;
        }
        Ok(())
    }
}
