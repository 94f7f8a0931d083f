//! A run's days into stores, without a database: what was counted is all there is for its days.
//!
//! Owns: [`Inputs`] and their identities, [`publish`], the decision whether a day may be replaced. May import:
//! `pipeline`, `report` (cube, rows), `source`, `store`. Must not know: clap, which store it is.
//!
//! A store's ledger names the sources behind each day. A day is published if every source in its ledger is among the
//! inputs, or is the beginning of one that has grown; else the inputs are not all there is for it, and publishing
//! would lose what only the other sources had.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use crate::calendar::{Day, Granularity};
use crate::count::DayKey;
use crate::error::{Error, Result};
use crate::pipeline::{Analysis, Progress};
use crate::report::cells::CellRow;
use crate::report::cube::Cube;
use crate::report::rows::{DayRows, Rows};
use crate::source::{Contents, Input, SourceIdentity};
use crate::store::{
    Cell, Cells, Edition, Ledger, Outcome, Period, Slot, Source, Span, Store, Writer,
};

/// The inputs of a run that is to be published, each held open, so that what was counted can be identified.
#[derive(Debug)]
pub struct Inputs {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    given: Input,
    /// `None` for what cannot be opened; counting it will say why.
    contents: Option<Contents>,
    /// What came through a pipe, in a file without a name.
    spooled: Option<File>,
}

/// An input that was counted.
#[derive(Debug)]
pub struct CountedInput {
    source: Source,
    identity: SourceIdentity,
    contents: Contents,
    /// Its first and its last day.
    days: (Day, Day),
}

impl Inputs {
    /// Opens the inputs. What comes once is put into a temporary file first: it has to be read twice.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Unreadable`] for what cannot be put into a file.
    pub fn open(inputs: &[Input], progress: &Progress) -> Result<Self> {
        let held: Result<Vec<Held>> = inputs.iter().map(|input| hold(input, progress)).collect();
        Ok(Self { held: held? })
    }

    /// The inputs as they are to be counted.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        self.held.iter().map(Held::input).collect()
    }

    /// Gives what was counted the names that the user knows.
    pub fn restore_names(&self, analysis: &mut Analysis) {
        for held in self.held.iter().filter(|held| held.spooled.is_some()) {
            let (spooled, given) = (held.input().display(), held.given.display());
            for input in &mut analysis.inputs {
                if input.name == spooled {
                    input.name.clone_from(&given);
                }
            }
            for reason in &mut analysis.unreadable {
                *reason = reason.replace(&format!("{spooled:?}"), &format!("{given:?}"));
            }
        }
    }

    /// Identifies what was counted. Uses the thread pool it is called in. Every input must have been read to its end.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if a file is not the same any more; [`Error::Usage`] if two inputs are.
    pub fn identify(self, analysis: &Analysis) -> Result<Vec<CountedInput>> {
        let mut counted: Vec<CountedInput> = Vec::new();
        for (held, report) in self.held.into_iter().zip(&analysis.inputs) {
            let Some((first, last)) = report.tally.span else { continue };
            let name = &report.name;
            let changed = |reason: &dyn std::fmt::Display| {
                Error::Unreadable(format!(
                    "{name:?} is not what it was while it was counted ({reason}); nothing was published"
                ))
            };
            let Some(contents) = held.contents else { return Err(changed(&"it was not there")) };
            if let (Input::Path(path), None) = (&held.given, &held.spooled)
                && !contents.is_at(path).map_err(|error| changed(&error))?
            {
                return Err(changed(&"it was replaced"));
            }
            let identity = contents.identity(report.bytes).map_err(|error| changed(&error))?;
            if let Some(same) = counted.iter().find(|other| other.identity.id == identity.id) {
                return Err(Error::Usage(format!(
                    "{:?} and {name:?} hold the same bytes, which would count twice; name one of them. Nothing was \
                     published",
                    same.source.name
                )));
            }
            let source = Source {
                id: identity.id,
                name: name.clone(),
                bytes: identity.bytes,
                lines: report.tally.lines,
            };
            counted.push(CountedInput {
                source,
                identity,
                contents,
                days: (first.day(), last.day()),
            });
        }
        Ok(counted)
    }
}

impl Held {
    fn input(&self) -> Input {
        match &self.spooled {
            Some(file) => Input::Path(format!("/dev/fd/{}", file.as_raw_fd()).into()),
            None => self.given.clone(),
        }
    }
}

fn hold(input: &Input, progress: &Progress) -> Result<Held> {
    let given = input.clone();
    let opened = match input {
        Input::Stdin => None,
        Input::Path(path) => match File::open(path) {
            Ok(file) => Some(file),
            Err(_) => return Ok(Held { given, contents: None, spooled: None }),
        },
    };
    let fail = |error: io::Error| {
        let name = input.display();
        Error::Unreadable(format!("{name:?} cannot be put into a temporary file: {error}"))
    };
    let mut reader: Box<dyn Read> = match opened {
        None => Box::new(io::stdin().lock()),
        Some(file) => match file.metadata() {
            Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {
                let contents = Some(Contents::new(file));
                return Ok(Held { given, contents, spooled: None });
            }
            Ok(metadata) if !metadata.is_dir() => Box::new(file),
            _ => return Ok(Held { given, contents: None, spooled: None }),
        },
    };
    let spooled = spool(&mut reader, progress)?.map_err(fail)?;
    let contents = Some(Contents::new(spooled.try_clone().map_err(fail)?));
    Ok(Held { given, contents, spooled: Some(spooled) })
}

/// All that comes, in a file that is gone with the process.
fn spool(reader: &mut dyn Read, progress: &Progress) -> Result<io::Result<File>> {
    let copy = |reader: &mut dyn Read| -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        let mut buffer = vec![0; 256 * 1024];
        while !progress.is_interrupted() {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => file.write_all(&buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(file)
    };
    let copied = copy(reader);
    progress.check()?;
    Ok(copied)
}

/// What publishing to one store did.
#[derive(Debug, Default)]
pub struct Publication {
    /// Days that readers now see as they were counted.
    pub days: u64,
    /// Of these, days of which nothing had changed.
    pub unchanged_days: u64,
    /// Cells of the days that changed.
    pub cells: u64,
    /// Keys that were written or deleted.
    pub changed_keys: u64,
    /// Why days were not published, in words.
    pub refused: Vec<String>,
}

/// How often a day is tried again when another run publishes it at the same time.
const MOST_TRIES: u32 = 8;
/// Before a day is tried again that the store could not take at the moment; doubles each time.
const PAUSE: Duration = Duration::from_millis(100);
/// Cells that are handed to a store at once.
const BATCH_CELLS: usize = 10_000;
/// Batches made at once.
const PARALLEL_BATCHES: usize = 8;

/// Brings a store up to date with the days of `cube`, all of whose facts come from `inputs`. Uses the thread pool it is
/// called in. `replace`: whatever else the days were made from.
///
/// # Errors
/// [`Error::Store`], [`Error::Interrupted`]; days that were published before that are published.
pub fn publish(
    cube: &Cube<'_>,
    inputs: &[CountedInput],
    mut store: Box<dyn Store>,
    replace: bool,
    progress: &Progress,
) -> Result<Publication> {
    let rows = Rows::new(cube);
    let mut publication = Publication::default();
    let mut left: Vec<DayKey> = cube.facts.days().collect();
    let mut pause = PAUSE;
    for attempt in 1.. {
        let mut editions = Vec::new();
        for &key in &left {
            progress.check()?;
            let span =
                Span { site: cube.sites[key.site as usize].clone(), period: Period::Day(key.day) };
            let ledger = store.ledger(&span)?;
            match edition(span, &ledger, inputs, replace)? {
                Ok(edition) => editions.push((key, edition)),
                Err(reason) => publication.refused.push(reason),
            }
        }
        let (returned, outcomes) = write(&rows, &editions, store, progress)?;
        store = returned;
        left.clear();
        let mut must_wait = false;
        for ((key, edition), outcome) in editions.into_iter().zip(outcomes) {
            let period = edition.span.period;
            match outcome {
                Outcome::Published { cells, changed_keys, .. } => {
                    publication.days += 1;
                    publication.cells += cells;
                    publication.changed_keys += changed_keys;
                }
                Outcome::Unchanged => {
                    publication.days += 1;
                    publication.unchanged_days += 1;
                }
                Outcome::Refused(reason) => publication.refused.push(reason),
                Outcome::Outrun { reason, .. } if attempt == MOST_TRIES => {
                    publication.refused.push(format!(
                        "{period} was not published, tried {MOST_TRIES} times: {reason}; run again"
                    ));
                }
                Outcome::Outrun { wait, .. } => {
                    must_wait |= wait;
                    left.push(key);
                }
            }
        }
        if left.is_empty() {
            break;
        }
        if must_wait {
            std::thread::sleep(pause);
            pause *= 2;
        }
    }
    store.close()?;
    Ok(publication)
}

/// What is to be published of a span, or why it must not be.
fn edition(
    span: Span,
    ledger: &Ledger,
    inputs: &[CountedInput],
    replace: bool,
) -> Result<std::result::Result<Edition, String>> {
    if !replace {
        for source in &ledger.sources {
            if !is_among(source, inputs)? {
                return Ok(Err(format!(
                    "{} was not published: {} of it came from {:?} ({} lines, {} bytes), which is not among these \
                     inputs. Give all files of that day at once, keep a database (--db), or drop what is there \
                     (--replace)",
                    span.period,
                    if ledger.sources.len() == 1 { "all" } else { "a part" },
                    source.name,
                    source.lines,
                    source.bytes
                )));
            }
        }
    }
    let Period::Day(day) = span.period else {
        return Ok(Err(format!("{} needs a database (--db)", span.period)));
    };
    let has_day = |input: &&CountedInput| (input.days.0..=input.days.1).contains(&day);
    let sources = inputs.iter().filter(has_day).map(|input| input.source.clone()).collect();
    Ok(Ok(Edition { span, replaces: ledger.version, version: None, sources }))
}

/// Whether a source of a ledger is one of the inputs, or was before that one grew.
fn is_among(source: &Source, inputs: &[CountedInput]) -> Result<bool> {
    for input in inputs {
        if input.source.id == source.id {
            return Ok(true);
        }
        if source.bytes < input.source.bytes {
            let id =
                input.contents.id_of_beginning(&input.identity, source.bytes).map_err(|error| {
                    Error::Unreadable(format!(
                        "{:?}: {error}; nothing was published",
                        input.source.name
                    ))
                })?;
            if id == source.id {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Writes editions, which ascend by day, on the store's own thread.
fn write(
    rows: &Rows<'_>,
    editions: &[(DayKey, Edition)],
    store: Box<dyn Store>,
    progress: &Progress,
) -> Result<(Box<dyn Store>, Vec<Outcome>)> {
    let minute_pages = store.wants_minute_pages();
    let mut writer = Writer::start(store)?;
    let mut next = editions.iter();
    rows.of_days(editions.iter().map(|(key, _)| *key), minute_pages, |_, day| {
        if let Some((_, edition)) = next.next() {
            writer.begin(edition.clone())?;
            put_day(&mut writer, day, progress)?;
            writer.commit()?;
        }
        Ok(())
    })?;
    writer.finish()
}

fn put_day(writer: &mut Writer, day: &DayRows<'_>, progress: &Progress) -> Result<()> {
    for chunks in day.chunks(BATCH_CELLS).chunks(PARALLEL_BATCHES) {
        progress.check()?;
        let batches: Vec<Cells> = chunks
            .par_iter()
            .map(|chunk| {
                let mut cells = Cells::default();
                chunk.iter().for_each(|row| cells.push(&cell(&row)));
                cells
            })
            .collect();
        for batch in batches {
            writer.put(Arc::new(batch))?;
        }
    }
    Ok(())
}

/// A day's row as a cell of the span that the day is.
fn cell<'r>(row: &CellRow<'r>) -> Cell<'r> {
    let minute = row.bucket.minute_of_day;
    let slot = match row.bucket.granularity {
        Granularity::Day => Slot::Whole,
        Granularity::Hour => Slot::Hour(u8::try_from(minute / 60).unwrap_or(u8::MAX)),
        Granularity::Minute => Slot::Minute(minute),
    };
    Cell { slot, section: row.section, page: row.page, pv: row.pv, uv: row.uv }
}
