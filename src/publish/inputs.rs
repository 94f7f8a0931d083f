//! Publishing the days of a run without a database: what the run counted must be everything for these days.
//!
//! Owns: [`CountedInput`], the decision whether a day may be replaced. May import: what its parent may. Must not know:
//! which store it is.
//!
//! The store's ledger names the sources of each day. A day is published if each of them is one of the inputs, or the
//! beginning of an input that has grown since. If not, publishing would lose what only the other sources hold.

use super::{Decision, Publication, Publisher, write_days};
use crate::cube::Cube;
use crate::cube::rows::Rows;
use crate::error::{Error, Result};
use crate::facts::DayKey;
use crate::pipeline::Analysis;
use crate::source::{Input, SourceIdentity};
use crate::store::{Edition, Ledger, Source, Store};
use crate::system::progress::Progress;
use crate::time::Day;
use crate::time::{Period, Span};

/// An input that was counted.
#[derive(Debug)]
pub struct CountedInput {
    source: Source,
    identity: SourceIdentity,
    /// The input, to read it again.
    input: Input,
    /// Its first and its last day.
    days: (Day, Day),
}

/// The sources that an analysis counted. `inputs` are the inputs of the analysis, all of which must have been read to the
/// end, with [`identify`](crate::pipeline::Tracking::identify) set.
///
/// # Errors
/// [`Error::Usage`] if two inputs hold the same bytes.
pub fn counted_inputs(inputs: &[Input], analysis: &Analysis) -> Result<Vec<CountedInput>> {
    let mut counted: Vec<CountedInput> = Vec::new();
    for report in &analysis.inputs {
        let (Some((first, last)), Some(identity)) = (report.tally.span, &report.identity) else {
            continue;
        };
        let name = &report.name;
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
            identity: identity.clone(),
            input: inputs[report.index].clone(),
            days: (first.day(), last.day()),
        });
    }
    Ok(counted)
}

/// Brings a store up to date with the days of `cube`, all of whose facts come from `inputs`. Runs in the current thread
/// pool. With `replace`, days are published whatever the store made them from.
///
/// # Errors
/// [`Error::Store`], [`Error::Interrupted`]; days published before the error stay published.
pub fn publish(
    cube: &Cube<'_>,
    inputs: &[CountedInput],
    store: Box<dyn Store>,
    replace: bool,
    progress: &Progress,
) -> Result<Publication> {
    let rows = Rows::new(cube);
    let mut publisher = Publisher::new(store, progress);
    let minute_pages = publisher.wants_minute_pages();
    let mut sites: Vec<(u32, &String)> = (0..).zip(&cube.sites).collect();
    sites.sort_unstable_by_key(|&(number, _)| number);
    for (site, name) in sites {
        let days = cube.facts.days().filter(|key| key.site == site).map(|key| key.day);
        let spans = days.map(|day| Span { site: name.clone(), period: Period::Day(day) });
        publisher.publish_spans(
            spans.collect(),
            &mut |span, ledger| decide(span, ledger, inputs, replace),
            &mut |writer, editions| {
                let keys = editions.iter().filter_map(|edition| match edition.span.period {
                    Period::Day(day) => Some(DayKey { site, day }),
                    _ => None,
                });
                write_days(&rows, keys, minute_pages, editions, writer, progress)
            },
        )?;
    }
    publisher.finish()
}

fn decide(span: Span, ledger: &Ledger, inputs: &[CountedInput], replace: bool) -> Result<Decision> {
    if !replace {
        for source in &ledger.sources {
            if !is_among(source, inputs)? {
                return Ok(Decision::Refuse(format!(
                    "{} was not published: {} of it came from {:?} ({} lines, {} bytes), which is not among these \
                     inputs. Give all files of that day together, keep a database (--db), or replace what is there \
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
    let has_day = |input: &&CountedInput| match span.period {
        Period::Day(day) => (input.days.0..=input.days.1).contains(&day),
        _ => true,
    };
    let sources = inputs.iter().filter(has_day).map(|input| input.source.clone()).collect();
    let edition = Edition { span: span.clone(), replaces: ledger.version, version: None, sources };
    Ok(Decision::Publish(edition))
}

/// Whether a source of a ledger is one of the inputs, or the beginning of one.
fn is_among(source: &Source, inputs: &[CountedInput]) -> Result<bool> {
    for CountedInput { source: input, identity, input: file, .. } in inputs {
        if input.id == source.id {
            return Ok(true);
        }
        if source.bytes < input.bytes {
            let id = file.id_of_beginning(identity, source.bytes).map_err(|error| {
                Error::Unreadable(format!("{:?}: {error}; nothing was published", input.name))
            })?;
            if id == source.id {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
