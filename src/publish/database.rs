//! What a database holds into a store: the days, weeks, months and all time that the store does not have as they are.
//!
//! Owns: which of them have changed. May import: what its parent may, `store::Database`. Must not know: SQL, which store
//! it is.
//!
//! Every day of a database has the version of the run that changed it last, and the store keeps the version it was
//! sent: where they are equal nothing is to be done. So a store that was emptied is filled again, and what could not
//! be published is published by the next run. A week, a month and all time have the latest version of their days.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Decision, Publication, Publishing, write_days};
use crate::calendar::Day;
use crate::count::DayKey;
use crate::error::Result;
use crate::pipeline::Progress;
use crate::report::Cube;
use crate::report::rows::Rows;
use crate::store::{
    Cell, Cells, Database, DayVersion, Edition, Ledger, Period, Site, Slot, Source, Span, Store,
    StoredBlock, Writer,
};

/// Bytes of blocks whose facts are held at once; about a third of what they take decoded.
const BATCH_BYTES: usize = 32 << 20;

/// Brings a store up to date with the sites of a database. Uses the thread pool it is called in.
///
/// # Errors
/// [`Error::Store`](crate::error::Error::Store), [`Error::Database`](crate::error::Error::Database),
/// [`Error::Interrupted`](crate::error::Error::Interrupted); what was published before that is published.
pub fn publish(
    database: &mut Database,
    sites: &[Site],
    store: Box<dyn Store>,
    progress: &Progress,
) -> Result<Publication> {
    let mut publishing = Publishing::new(store, progress);
    let sources = database.sources()?.into_iter().map(|source| {
        let of_day = Source {
            id: source.identity.id,
            name: source.name,
            bytes: source.identity.bytes,
            lines: source.tally.lines,
        };
        (source.number, of_day)
    });
    let sources: BTreeMap<i64, Source> = sources.collect();
    for site in sites {
        let versions = database.day_versions(site.number)?;
        let blocks = database.blocks_of_site(site.number)?;
        let days = Days { site, versions: &versions, blocks: &blocks, sources: &sources };
        days.publish(&mut publishing, database)?;
        publish_unions(&mut publishing, database, site, &versions)?;
    }
    publishing.finish()
}

/// The days of a site.
struct Days<'d> {
    site: &'d Site,
    versions: &'d BTreeMap<Day, DayVersion>,
    /// By day.
    blocks: &'d [StoredBlock],
    sources: &'d BTreeMap<i64, Source>,
}

impl Days<'_> {
    fn publish(&self, publishing: &mut Publishing<'_>, database: &mut Database) -> Result<()> {
        let span = |&day: &Day| Span { site: self.site.name.clone(), period: Period::Day(day) };
        let spans = self.versions.keys().map(span).collect();
        let (minute_pages, progress) = (publishing.wants_minute_pages(), publishing.progress);
        publishing.bring(
            spans,
            &mut |span, ledger| Ok(self.decide(span, ledger)),
            &mut |writer, editions| self.write(database, editions, minute_pages, writer, progress),
        )
    }

    fn blocks_of(&self, day: Day) -> &[StoredBlock] {
        let start = self.blocks.partition_point(|block| block.day < day);
        let end = self.blocks.partition_point(|block| block.day <= day);
        &self.blocks[start..end]
    }

    fn decide(&self, span: Span, ledger: &Ledger) -> Decision {
        let Period::Day(day) = span.period else { return Decision::Skip };
        let Some(&DayVersion { version, has_cells }) = self.versions.get(&day) else {
            return Decision::Skip;
        };
        let blocks = self.blocks_of(day).iter();
        let sources: Vec<Source> =
            blocks.filter_map(|block| self.sources.get(&block.source).cloned()).collect();
        let ids = |sources: &[Source]| -> BTreeSet<u128> {
            sources.iter().map(|source| source.id).collect()
        };
        let version = match ledger.version {
            Some(held) if held == version => return Decision::Skip,
            None if !has_cells => return Decision::Skip,
            Some(held) if held > version => {
                if ids(&ledger.sources) != ids(&sources) {
                    return Decision::Refuse(format!(
                        "{day} was not published: another database, or a run without one, published it after this \
                         database counted it last. hitmap publish --replace puts what this database has in its place"
                    ));
                }
                // The same sources, it seems: the store compares, and takes the next version if there is a difference.
                None
            }
            _ => Some(version),
        };
        Decision::Publish(Edition { span, replaces: ledger.version, version, sources })
    }

    /// Writes editions of days, some days' facts at a time.
    fn write(
        &self,
        database: &mut Database,
        mut editions: &[Edition],
        minute_pages: bool,
        writer: &mut Writer,
        progress: &Progress,
    ) -> Result<()> {
        while !editions.is_empty() {
            let (mut keys, mut blocks, mut bytes) = (Vec::new(), Vec::new(), 0);
            for edition in editions {
                let Period::Day(day) = edition.span.period else { continue };
                let of_day = self.blocks_of(day);
                bytes += of_day.iter().map(|block| block.bytes).sum::<usize>();
                if bytes > BATCH_BYTES && !keys.is_empty() {
                    break;
                }
                keys.push(DayKey { site: 0, day });
                blocks.extend_from_slice(of_day);
            }
            progress.check()?;
            let number = BTreeMap::from([(self.site.number, 0)]);
            let facts = database.load(&blocks, &[], &number, |_, day| day)?;
            let cube = Cube::new(&facts, vec![self.site.name.clone()], &self.site.rules.groups());
            let (now, later) = editions.split_at(keys.len());
            let rows = Rows::new(&cube);
            write_days(&rows, keys.into_iter(), minute_pages, now, writer, progress)?;
            editions = later;
        }
        Ok(())
    }
}

/// Publishes the weeks and months of a site, and all time: the site and its sections.
fn publish_unions(
    publishing: &mut Publishing<'_>,
    database: &Database,
    site: &Site,
    days: &BTreeMap<Day, DayVersion>,
) -> Result<()> {
    let mut unions: BTreeMap<Period, Union> = BTreeMap::new();
    for (&day, &DayVersion { version, .. }) in days {
        for (period, granularity, bucket) in [
            (Period::week_of(day), "week", day.week_text()),
            (Period::month_of(day), "month", day.month_text()),
            (Period::All, "all", String::new()),
        ] {
            let union = unions.entry(period).or_insert(Union { version, granularity, bucket });
            union.version = union.version.max(version);
        }
    }
    let spans = unions.keys().map(|&period| Span { site: site.name.clone(), period }).collect();
    let cells_of = |union: &Union| database.unions(site.number, union.granularity, &union.bucket);
    publishing.bring(
        spans,
        &mut |span, ledger| {
            let Some(union) = unions.get(&span.period) else { return Ok(Decision::Skip) };
            // One that lost days to pruning has no cells any more; what was published of it stays true.
            if ledger.version == Some(union.version)
                || cells_of(union)?.is_empty()
                    && (ledger.version.is_none() || site.pruned_before.is_some())
            {
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
                let rows = unions.get(&edition.span.period).map_or(Ok(Vec::new()), cells_of)?;
                for (section, pv, uv) in &rows {
                    let section = Some(section.as_str()).filter(|section| !section.is_empty());
                    cells.push(&Cell { slot: Slot::Whole, section, page: None, pv: *pv, uv: *uv });
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
    /// The latest of its days'.
    version: u64,
    granularity: &'static str,
    bucket: String,
}
