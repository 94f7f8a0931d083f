//! Threads that read what comes in order: pipes, standard input, compressed files. Decoding overlaps parsing, and
//! several inputs are decoded at once.
//!
//! Owns: the threads and the bounded channel through which their blocks come. May import: `source`, `parse`
//! (detection). Must not know: windows, what was read of an input, what is counted.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::parse::LogFormat;
use crate::source::{Stream, StreamBlock, StreamEnd};

/// Blocks that wait for a worker, for each thread that reads. They hold about 1 MiB each.
const WAITING_BLOCKS: usize = 2;

/// What a reading thread has to say about its input. Events of one input come in order.
pub(super) enum Event {
    /// It could be opened.
    Opened { input: usize },
    /// Its next lines: its block number `block`.
    Lines { input: usize, block: usize, format: Option<LogFormat>, lines: StreamBlock },
    /// There is nothing more; what there was is whole unless there is an error.
    Ended { input: usize, end: StreamEnd, error: Option<io::Error> },
}

/// An input to be read by a thread of its own.
pub(super) struct Feed {
    pub(super) input: usize,
    /// The format that was named; without one it is detected.
    pub(super) format: Option<LogFormat>,
    /// Lines that start before this offset were counted before.
    pub(super) start_offset: u64,
    /// The size of blocks to hash the bytes in, if they are to be hashed.
    pub(super) hashed_blocks: Option<u64>,
}

/// The threads of a run. They end with their inputs, or soon after this is dropped.
pub(super) struct Feeds {
    sender: SyncSender<Event>,
    receiver: Receiver<Event>,
    active: usize,
}

impl Feeds {
    /// For at most `threads` threads at a time.
    pub(super) fn new(threads: usize) -> Self {
        let (sender, receiver) = sync_channel(threads * WAITING_BLOCKS);
        Self { sender, receiver, active: 0 }
    }

    /// Inputs that have not ended.
    pub(super) fn active(&self) -> usize {
        self.active
    }

    /// Starts a thread that opens a stream, which may wait for others, and reads it.
    pub(super) fn start(
        &mut self,
        feed: Feed,
        open: impl FnOnce() -> io::Result<Stream> + Send + 'static,
    ) -> io::Result<()> {
        let mut end = EndOfFeed { sender: self.sender.clone(), input: feed.input, said: None };
        std::thread::Builder::new().name("read".to_owned()).spawn(move || {
            let said = feed.run(&end.sender, open);
            end.say(said);
        })?;
        self.active += 1;
        Ok(())
    }

    /// The next event; `None` if there is none within `patience`.
    pub(super) fn next(&mut self, patience: Duration) -> Option<Event> {
        // The channel cannot be closed: one sender is here.
        let event = match self.receiver.recv_timeout(patience) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        if matches!(event, Event::Ended { .. }) {
            self.active -= 1;
        }
        Some(event)
    }
}

/// Says that an input has ended, whatever became of its thread.
struct EndOfFeed {
    sender: SyncSender<Event>,
    input: usize,
    said: Option<(StreamEnd, Option<io::Error>)>,
}

impl EndOfFeed {
    fn say(&mut self, said: (StreamEnd, Option<io::Error>)) {
        self.said = Some(said);
    }
}

impl Drop for EndOfFeed {
    fn drop(&mut self) {
        let (end, error) = self.said.take().unwrap_or_else(|| {
            (StreamEnd::default(), Some(io::Error::other("the thread that reads it failed")))
        });
        // Where nobody listens any more the run has ended.
        let _ = self.sender.send(Event::Ended { input: self.input, end, error });
    }
}

impl Feed {
    /// Sends the stream's blocks; returns how it ended.
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
        if sender.send(Event::Opened { input }).is_err() {
            return Ok(());
        }
        let mut block = 0;
        while let Some(mut lines) = stream.next_block()? {
            if self.format.is_none() {
                self.format = LogFormat::detect(&lines.bytes);
            }
            lines.skip_to(self.start_offset);
            let event = Event::Lines { input, block, format: self.format, lines };
            if sender.send(event).is_err() {
                return Ok(());
            }
            block += 1;
        }
        Ok(())
    }
}
