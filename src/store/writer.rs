//! The thread that owns a store while cells are made.
//!
//! Owns: [`Writer`] and its bounded channel. May import: `store`. Must not know: which store it is.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{Cells, Edition, Outcome, Store};
use crate::error::{Error, Result};

/// Batches that may wait for the store: enough that the store need not wait for cells, few enough to bound memory.
const WAITING_BATCHES: usize = 4;

/// A store on a thread of its own. The store's first error ends the thread, and the next call returns it.
#[derive(Debug)]
pub struct Writer {
    /// `None` once the thread has been told to end.
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<Ended>>,
}

enum Message {
    Begin(Edition),
    Put(Arc<Cells>),
    Commit,
}

type Ended = (Box<dyn Store>, Result<Vec<Outcome>>);

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Threads`] if the system starts no thread.
    pub fn start(store: Box<dyn Store>) -> Result<Self> {
        let (sender, receiver) = sync_channel(WAITING_BATCHES);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let mut store = store;
                let outcomes = serve(&mut *store, &receiver);
                (store, outcomes)
            })
            .map_err(|error| Error::Threads(error.to_string()))?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// As [`Store::begin`].
    ///
    /// # Errors
    /// The first error of the store.
    pub fn begin(&mut self, edition: Edition) -> Result<()> {
        self.send(Message::Begin(edition))
    }

    /// As [`Store::put`]. Waits while the store is busy with earlier batches.
    ///
    /// # Errors
    /// The first error of the store.
    pub fn put(&mut self, cells: Arc<Cells>) -> Result<()> {
        self.send(Message::Put(cells))
    }

    /// As [`Store::commit`]; the outcome is among those of [`finish`](Self::finish).
    ///
    /// # Errors
    /// The first error of the store.
    pub fn commit(&mut self) -> Result<()> {
        self.send(Message::Commit)
    }

    fn send(&mut self, message: Message) -> Result<()> {
        let is_sent = self.sender.as_ref().is_some_and(|sender| sender.send(message).is_ok());
        if is_sent {
            return Ok(());
        }
        // The thread ended before it was told to, so it has an error to return.
        let (_, outcomes) = self.join()?;
        Err(outcomes.err().unwrap_or_else(stopped))
    }

    /// Waits for the store and returns it, with the outcome of each committed edition, in order.
    ///
    /// # Errors
    /// The first error of the store.
    pub fn finish(mut self) -> Result<(Box<dyn Store>, Vec<Outcome>)> {
        let (store, outcomes) = self.join()?;
        Ok((store, outcomes?))
    }

    fn join(&mut self) -> Result<Ended> {
        self.sender = None;
        let thread = self.thread.take().ok_or_else(stopped)?;
        thread.join().map_err(|_| stopped())
    }
}

/// A run that ends early drops the edition that it had begun.
impl Drop for Writer {
    fn drop(&mut self) {
        if self.thread.is_some()
            && let Ok((mut store, Ok(_))) = self.join()
        {
            // The run ends for another reason, and that one is reported.
            let _ = store.close();
        }
    }
}

fn stopped() -> Error {
    Error::Threads("the thread that writes to the store has stopped".to_owned())
}

fn serve(store: &mut dyn Store, receiver: &Receiver<Message>) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for message in receiver {
        match message {
            Message::Begin(edition) => store.begin(edition)?,
            Message::Put(cells) => store.put(&cells)?,
            Message::Commit => outcomes.push(store.commit()?),
        }
    }
    Ok(outcomes)
}
