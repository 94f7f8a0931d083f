//! Publishing from a database: the days, weeks, months and all time that a store does not have in their latest version.
//!
//! Owns: the decision which of them to publish. May import: what its parent may. Must not know: SQL, which store it is.
//!
//! In the database, a day has the version of the run that last changed it; the store keeps the version it was sent. If
//! they are equal, there is nothing to do. So a store that was emptied is filled again, and a run publishes what an
//! earlier one could not. A week or month has the latest version of its days, and all time that of the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Decision, Publication, Publisher, write_days};
use crate::cube::Cube;
use crate::cube::rows::Rows;
use crate::database::{ALL_DAYS, BlockRow, Database, DayVersion, Group, Site, Wanted};
use crate::error::{Error, Result};
use crate::facts::DayKey;
use crate::store::{Cell, Cells, Edition, Ledger, Slot, Source, Store, Writer, source_ids};
use crate::system::progress::Progress;
use crate::time::{Day, MINUTES_A_DAY, Period, Span};

/// Facts that are in memory at a time: 96 MiB, unless a day has more.
const BATCH_FACTS: u64 = 12 << 20;

/// Brings a store up to date with `sites` of the database, which knows the store by the name `target`. Runs in the current
/// thread pool. With `replace`, also replaces days that the store made from sources that this database does not have.
/// The caller records [`Publication::seen`] in the database.
///
/// # Errors
/// [`Error::Store`], [`Error::Database`],
/// [`Error::Interrupted`]. What was published before the error stays published.
pub fn publish(
    database: &mut Database,
    sites: &[Site],
    (target, store): (&str, Box<dyn Store>),
    replace: bool,
    progress: &Progress,
) -> Result<Publication> {
    let mut publisher = Publisher::new(store, progress);
    let recorded = database.sources()?;
    // All states of all sources: as they are, and as they were before they grew.
    let ids = recorded.iter().flat_map(|source| {
        let earlier = source.states.iter().map(|state| state.id);
        earlier.chain([source.identity.id])
    });
    let known_ids: BTreeSet<u128> = ids.collect();
    let sources = recorded.into_iter().map(|source| {
        let of_day = Source {
            id: source.identity.id,
            name: source.name,
            bytes: source.identity.bytes,
            lines: source.tally.lines,
        };
        (source.number, of_day)
    });
    let sources: BTreeMap<i64, Source> = sources.collect();
    let groups = database.groups()?;
    for site in sites {
        let mut versions = database.day_versions(site.number)?;
        // Pruned days cannot be made again; what was published of them is still right.
        versions.retain(|&day, _| site.pruned_before.is_none_or(|first| day >= first));
        let days = Days {
            site,
            versions: &versions,
            blocks: &database.blocks(site.number, ALL_DAYS)?,
            sources: &sources,
            known_ids: &known_ids,
            sent: &database.published(target, &site.name)?,
            replace,
        };
        let refused = publisher.publication.refused.len();
        days.publish(&mut publisher, database)?;
        // If a day was refused, weeks and months would contradict the days in the store.
        if publisher.publication.refused.len() == refused {
            let groups = groups.get(&site.number).map_or(&[][..], Vec::as_slice);
            publish_unions(&mut publisher, database, (site, groups), &versions, replace)?;
        }
    }
    publisher.finish()
}

/// The days of a site.
struct Days<'d> {
    site: &'d Site,
    versions: &'d BTreeMap<Day, DayVersion>,
    /// In order of day.
    blocks: &'d [BlockRow],
    sources: &'d BTreeMap<i64, Source>,
    /// The ids of all sources, and of their earlier, shorter states.
    known_ids: &'d BTreeSet<u128>,
    /// The version of each day that the store was last sent, by the day's name.
    sent: &'d BTreeMap<String, u64>,
    replace: bool,
}

impl Days<'_> {
    fn publish(&self, publisher: &mut Publisher<'_>, database: &mut Database) -> Result<()> {
        let span = |&day: &Day| Span { site: self.site.name.clone(), period: Period::Day(day) };
        let spans = self.versions.keys().map(span).collect();
        let (minute_pages, progress) = (publisher.wants_minute_pages(), publisher.progress);
        publisher.publish_spans(
            spans,
            &mut |span, ledger| Ok(self.decide(span, ledger)),
            &mut |writer, editions| self.write(database, editions, minute_pages, writer, progress),
        )
    }

    fn blocks_of(&self, day: Day) -> &[BlockRow] {
        let start = self.blocks.partition_point(|block| block.day < day);
        let end = self.blocks.partition_point(|block| block.day <= day);
        &self.blocks[start..end]
    }

    fn decide(&self, span: Span, ledger: &Ledger) -> Decision {
        let Period::Day(day) = span.period else { return Decision::Skip };
        let Some(&DayVersion { version, has_facts }) = self.versions.get(&day) else {
            return Decision::Skip;
        };
        let blocks = self.blocks_of(day);
        let of_sources = blocks.chunk_by(|one, next| one.source == next.source);
        let sources: Vec<Source> =
            of_sources.filter_map(|blocks| self.sources.get(&blocks[0].source).cloned()).collect();
        let held = ledger.version;
        if held.is_none() && !has_facts && !ledger.is_unfinished {
            return Decision::Skip;
        }
        let is_newer = held > Some(version);
        let is_same = held == Some(version)
            || !self.replace && is_newer && source_ids(&ledger.sources) == source_ids(&sources);
        if is_same && !ledger.is_unfinished {
            return Decision::Skip;
        }
        let is_ours = self.sent.get(&day.to_string()).copied() == held
            || ledger.sources.iter().all(|source| self.known_ids.contains(&source.id));
        if held.is_some() && !self.replace && !is_same && (is_newer || !is_ours) {
            return Decision::Refuse(format!(
                "{day} was not published: what the store has {}, by another database or a run without one. \
                 hitmap publish --replace replaces it by what this database has",
                if is_ours {
                    "was published after this database counted the day last"
                } else {
                    "was made from sources that this database does not have"
                }
            ));
        }
        // A version that is not above the store's is replaced by the one after it, which the store chooses.
        let version = Some(version).filter(|_| held < Some(version));
        Decision::Publish(Edition { span, replaces: ledger.version, version, sources })
    }

    /// Writes editions of days, with the facts of some days in memory at a time.
    fn write(
        &self,
        database: &mut Database,
        mut editions: &[Edition],
        minute_pages: bool,
        writer: &mut Writer,
        progress: &Progress,
    ) -> Result<()> {
        while !editions.is_empty() {
            let (mut keys, mut blocks, mut facts) = (Vec::new(), Vec::new(), 0);
            for edition in editions {
                let Period::Day(day) = edition.span.period else { continue };
                let of_day = self.blocks_of(day);
                facts += of_day.iter().map(|block| u64::from(block.facts)).sum::<u64>();
                if facts > BATCH_FACTS && !keys.is_empty() {
                    break;
                }
                keys.push(DayKey { site: 0, day });
                blocks.extend_from_slice(of_day);
            }
            progress.check()?;
            let number = BTreeMap::from([(self.site.number, 0)]);
            let wanted = Wanted { minutes: |_| 0..MINUTES_A_DAY, page: |_, _| true };
            let facts = database.reader().facts(&blocks, &number, &wanted)?;
            let cube = Cube::new(&facts, vec![self.site.name.clone()], &self.site.rules.groups());
            let (now, later) = editions.split_at(keys.len());
            let rows = Rows::new(&cube);
            write_days(&rows, keys.into_iter(), minute_pages, now, writer, progress)?;
            editions = later;
        }
        Ok(())
    }
}

/// Publishes the weeks, the months and all time of a site: the cells of the site and of its sections.
fn publish_unions(
    publisher: &mut Publisher<'_>,
    database: &Database,
    (site, groups): (&Site, &[Group]),
    days: &BTreeMap<Day, DayVersion>,
    replace: bool,
) -> Result<()> {
    let mut unions: BTreeMap<Period, Union> = BTreeMap::new();
    let is_cut = |first: Day| site.pruned_before.is_some_and(|pruned| first < pruned);
    for (&day, &DayVersion { version, .. }) in days {
        let month = day.first_of_month();
        for (period, is_cut) in
            [(Period::week_of(day), is_cut(day.monday())), (Period::month_of(day), is_cut(month))]
        {
            let union = unions.entry(period).or_insert(Union { version, day, is_cut });
            union.version = union.version.max(version);
        }
    }
    // All time changes with every day, and when days are pruned.
    let version = database.last_version()?;
    unions.insert(Period::All, Union { version, day: Day(0), is_cut: false });
    let spans = unions.keys().map(|&period| Span { site: site.name.clone(), period }).collect();
    let cells_of =
        |period: Period, union: &Union| database.cells_of_period(period, union.day, groups);
    publisher.publish_spans(
        spans,
        &mut |span, ledger| {
            let Some(union) = unions.get(&span.period) else { return Ok(Decision::Skip) };
            // A span that lost days to pruning has no cells any more; what was published of it is still right. An older
            // version never replaces a later one without --replace.
            let is_newer = ledger.version > Some(union.version);
            let is_there = ledger.version == Some(union.version) || is_newer && !replace;
            let is_empty = || {
                Ok::<_, Error>(
                    cells_of(span.period, union)?.is_empty()
                        && (ledger.version.is_none() || union.is_cut),
                )
            };
            if !ledger.is_unfinished && (is_there || is_empty()?) {
                return Ok(Decision::Skip);
            }
            let version = Some(union.version).filter(|_| ledger.version < Some(union.version));
            let replaces = ledger.version;
            Ok(Decision::Publish(Edition { span, replaces, version, sources: Vec::new() }))
        },
        &mut |writer, editions| {
            for edition in editions {
                writer.begin(edition.clone())?;
                let mut cells = Cells::default();
                let period = edition.span.period;
                let rows = unions.get(&period).map(|union| cells_of(period, union)).transpose()?;
                for (group, pv, uv) in rows.into_iter().flatten() {
                    let section = (!group.is_site).then_some(group.section.as_str());
                    cells.push(&Cell { slot: Slot::Whole, section, page: None, pv, uv });
                }
                writer.put(Arc::new(cells))?;
                writer.commit()?;
            }
            Ok(())
        },
    )
}

/// A week, a month, or all time.
struct Union {
    /// The latest version of its days.
    version: u64,
    /// One of its days.
    day: Day,
    /// Whether some of its days were pruned.
    is_cut: bool,
}
