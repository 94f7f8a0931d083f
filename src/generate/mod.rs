//! The log of a made-up site, and the exact counts of what is in it.
//!
//! Owns: [`GeneratorOptions`], [`generate`]. May import: `time`, `cube` (the format of cells). Must not know: parsing,
//! counting, files, the command line. [`Truth`] comes from what was drawn, never from the text of a line, so it can
//! test every program that reads the text.

mod lifelike;
mod odd;
mod pages;
mod random;
mod text;
mod traffic;
mod truth;
mod visitors;

use std::io::{self, Write};

use crate::time::Day;
use lifelike::{Moment, World};
use odd::OddLines;
use random::Random;
use text::TimeText;
use traffic::Traffic;
pub use truth::Truth;

/// The format of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// nginx and Apache `combined`.
    Combined,
    /// Apache `common`.
    Common,
    /// Combined lines of a beacon, `/dig?refer=…&time=…&ua=…&url=…`.
    Dig,
}

/// The size of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// This many lines.
    Lines(u64),
    /// Whole lines, until at least this many bytes are written.
    Bytes(u64),
}

/// What to write. The same options give the same bytes on every machine.
#[derive(Clone, Debug)]
pub struct GeneratorOptions {
    /// The size of the log.
    pub size: Size,
    /// The format of the lines.
    pub format: Format,
    /// Number of days that the lines are spread over, at least 1.
    pub days: u32,
    /// The first day.
    pub start: Day,
    /// Pages of single movies, besides the home page and 21 lists; 1 to [`GeneratorOptions::MAX_POOL`].
    pub pages: u32,
    /// Number of sections that the movie pages are spread over; 1 to [`GeneratorOptions::MAX_POOL`].
    pub sections: u32,
    /// Size of the pool that visitors are drawn from; 1 to [`GeneratorOptions::MAX_POOL`].
    pub visitors: u32,
    /// Distinct user agents; 1 to [`GeneratorOptions::MAX_POOL`].
    pub user_agents: u32,
    /// How many of 1000 page requests have a query.
    pub query_permille: u32,
    /// How many of 1000 lines are odd: torn, binary, of another format, with strange fields. The first line never is.
    pub bad_permille: u32,
    /// Whether to mix the lines of all days, instead of writing them nearly in order of time.
    pub shuffle: bool,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Whether to collect the page views (16 bytes each), for [`Truth::write_cells`].
    pub collect_cells: bool,
}

impl GeneratorOptions {
    /// Largest number of pages, visitors or user agents.
    pub const MAX_POOL: u32 = 500_000_000;

    /// A week of the movie site that hitmap was first made for: 12,946 pages and 200,000 visitors.
    #[must_use]
    pub const fn new(size: Size, format: Format) -> Self {
        Self {
            size,
            format,
            days: 7,
            // 2018-03-05
            start: Day(17_595),
            pages: 12_924,
            sections: 1,
            visitors: 200_000,
            user_agents: 200,
            query_permille: 50,
            bad_permille: 0,
            shuffle: false,
            seed: 1,
            collect_cells: false,
        }
    }

    /// Whether every number is in its range and the days are within years 0 to 9999.
    fn is_valid(&self) -> bool {
        let pools = [self.pages, self.sections, self.visitors, self.user_agents];
        let first = Day::from_date(0, 1, 1).map_or(0, |day| i64::from(day.0));
        let last = Day::from_date(9999, 12, 31).map_or(0, |day| i64::from(day.0));
        let start = i64::from(self.start.0);
        pools.iter().all(|&pool| (1..=Self::MAX_POOL).contains(&pool))
            && self.query_permille <= 1000
            && self.bad_permille <= 1000
            && self.days > 0
            && start >= first
            && start + i64::from(self.days) - 1 <= last
    }
}

/// Bytes per write: few enough to stay in the second-level cache.
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes a log to `output`, in pieces of about 256 KiB, and returns the exact counts of it.
///
/// After each piece, `progress` is called with the bytes written so far; an error from it ends the work.
///
/// # Errors
/// Errors of the output and of `progress`; [`io::ErrorKind::InvalidInput`] if an option is out of range.
pub fn generate(
    options: &GeneratorOptions,
    mut output: impl Write,
    mut progress: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<Truth> {
    if !options.is_valid() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an option of the generator is out of range",
        ));
    }
    let mut random = Random::new(options.seed);
    let world = World::new(options, &mut random);
    let mut odd_lines = OddLines::new(options.format, options.visitors, world.pages.count());
    let mut truth = Truth::new(options.collect_cells);
    if options.collect_cells {
        truth.paths = (0..world.pages.count()).map(|page| world.pages.path(page)).collect();
    }
    let (Size::Lines(goal) | Size::Bytes(goal)) = options.size;
    let mut traffic = Traffic::new(options.start, options.days, goal, options.shuffle);
    let mut time = TimeText::new();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + 128 * 1024);
    let mut written = 0;
    loop {
        let done = match options.size {
            Size::Lines(_) => truth.lines,
            Size::Bytes(_) => written + buffer.len() as u64,
        };
        if done >= goal {
            break;
        }
        let seconds = traffic.next(done, &mut random);
        let moment =
            Moment { visitor: world.visitors.draw(seconds / 86_400, &mut random), seconds };
        let odd = options.bad_permille > 0
            && random.below(1000) < options.bad_permille
            && truth.lines > 0;
        let line_truth = if odd {
            odd_lines.write(&world, moment, &mut random, &mut buffer, &mut truth)
        } else {
            world.write(&mut time, moment, &mut random, &mut buffer)
        };
        truth.add(line_truth);
        if buffer.len() >= BUFFER_BYTES {
            output.write_all(&buffer)?;
            written += buffer.len() as u64;
            buffer.clear();
            progress(written)?;
        }
    }
    output.write_all(&buffer)?;
    output.flush()?;
    written += buffer.len() as u64;
    progress(written)?;
    truth.bytes = written;
    truth.odd_lines = odd_lines.counts();
    Ok(truth)
}

#[cfg(test)]
mod tests;
