//! Logs and clocks for the benches: made once by the generator, timed in turns, medians printed with their ratio to
//! the newline count of the same run.
//!
//! Owns: the logs' definitions (`easy`, `hard`, `dig`, `history`, `one_day`, `large_day`) and the table. Must not know: what is measured.

#![allow(dead_code, reason = "each bench uses its own part of this module")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench may stop, and prints"
)]

use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hitmap::generate::{Format, GeneratorOptions, Size, generate};
use hitmap::time::Day;

/// A log with the totals that any right answer has.
pub(crate) struct Log {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) page_views: u64,
    pub(crate) unique_visitors: u64,
}

/// Share of the full logs' lines, for a quick look: `HITMAP_BENCH_SCALE=0.1 cargo bench`.
fn scale_or(default: f64) -> f64 {
    std::env::var("HITMAP_BENCH_SCALE").map_or(default, |scale| scale.parse().unwrap())
}

fn scale() -> f64 {
    scale_or(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a scale"
)]
fn scaled(lines: u64, scale: f64) -> Size {
    Size::Lines((lines as f64 * scale) as u64)
}

/// 5 M combined lines of 7 days: 13 k pages, 200 k visitors.
pub(crate) fn easy() -> Log {
    easy_or(1.0)
}

/// As [`easy`], of that share of its lines unless the environment names another.
pub(crate) fn easy_or(default_scale: f64) -> Log {
    let scale = scale_or(default_scale);
    log("easy", scale, &GeneratorOptions::new(scaled(5_000_000, scale), Format::Combined))
}

/// As many lines a day as 15 M in a year, from a pool of 2 M visitors, for so many days. `questions.sh` has the same year.
pub(crate) fn history(days: u32) -> Log {
    let options = GeneratorOptions {
        days,
        visitors: 2_000_000,
        seed: 9,
        ..GeneratorOptions::new(
            scaled(15_000_000 * u64::from(days) / 365, scale()),
            Format::Combined,
        )
    };
    let name = match days {
        30 => "month",
        365 => "year",
        _ => "three-years",
    };
    log(name, scale(), &options)
}

/// The last day of a [`history`] again, with other lines.
pub(crate) fn one_day(days: u32) -> Log {
    let first = GeneratorOptions::new(Size::Lines(1), Format::Combined).start;
    let options = GeneratorOptions {
        days: 1,
        start: Day(first.0 + i32::try_from(days).unwrap() - 1),
        visitors: 2_000_000,
        seed: 10,
        ..GeneratorOptions::new(Size::Lines(100_000), Format::Combined)
    };
    let name = match days {
        1 => "day-1",
        30 => "day-30",
        365 => "day-365",
        _ => "day-1095",
    };
    log(name, 1.0, &options)
}

/// A day of 10 M page views.
pub(crate) fn large_day() -> Log {
    let options = GeneratorOptions {
        days: 1,
        visitors: 2_000_000,
        seed: 9,
        ..GeneratorOptions::new(scaled(15_500_000, scale()), Format::Combined)
    };
    log("large-day", scale(), &options)
}

/// 5 M combined lines of 7 days: 1 M pages in 20 sections, 5 M visitors, 20 k user agents.
pub(crate) fn hard() -> Log {
    let options = GeneratorOptions {
        pages: 1_000_000,
        visitors: 5_000_000,
        sections: 20,
        user_agents: 20_000,
        ..GeneratorOptions::new(scaled(5_000_000, scale()), Format::Combined)
    };
    log("hard", scale(), &options)
}

/// 3 M beacons of 7 days.
pub(crate) fn dig() -> Log {
    log("dig", scale(), &GeneratorOptions::new(scaled(3_000_000, scale()), Format::Dig))
}

/// Makes a log unless an earlier run left it with its totals beside it.
fn log(name: &'static str, scale: f64, options: &GeneratorOptions) -> Log {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-logs");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}-{scale}.log"));
    let totals = path.with_extension("totals");
    let known = std::fs::read_to_string(&totals).ok();
    let numbers: Option<Vec<u64>> =
        known.and_then(|text| text.split_whitespace().map(|number| number.parse().ok()).collect());
    let numbers = match numbers {
        Some(numbers)
            if numbers.len() == 4 && path.metadata().is_ok_and(|file| file.len() == numbers[0]) =>
        {
            numbers
        }
        _ => {
            eprintln!("making {}", path.display());
            let file = BufWriter::new(File::create(&path).unwrap());
            let answer = generate(options, file, |_| Ok(())).unwrap();
            let numbers =
                vec![answer.bytes, answer.lines, answer.page_views, answer.unique_visitors];
            let text: Vec<String> = numbers.iter().map(u64::to_string).collect();
            std::fs::write(&totals, text.join(" ")).unwrap();
            numbers
        }
    };
    Log {
        name,
        path,
        bytes: numbers[0],
        lines: numbers[1],
        page_views: numbers[2],
        unique_visitors: numbers[3],
    }
}

impl Log {
    /// Reads the whole file, so that the page cache has it: caches shrink on their own on shared machines.
    pub(crate) fn warm(&self) {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(&self.path).unwrap());
        let mut buffer = vec![0; 1 << 20];
        while reader.read(&mut buffer).unwrap() > 0 {}
    }

    /// The unit: counts line ends by `pread` in pieces of 256 KiB, the file cut in one piece a thread.
    pub(crate) fn count_newlines(&self, threads: u64) -> u64 {
        let file = File::open(&self.path).unwrap();
        let count = |thread: u64| {
            let (mut at, end) =
                (self.bytes * thread / threads, self.bytes * (thread + 1) / threads);
            let mut buffer = vec![0; 256 * 1024];
            let mut lines = 0;
            while at < end {
                let wanted = usize::try_from(end - at).unwrap().min(buffer.len());
                file.read_exact_at(&mut buffer[..wanted], at).unwrap();
                lines += memchr::memchr_iter(b'\n', &buffer[..wanted]).count() as u64;
                at += wanted as u64;
            }
            lines
        };
        std::thread::scope(|scope| {
            let handles: Vec<_> =
                (0..threads).map(|thread| scope.spawn(move || count(thread))).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).sum()
        })
    }

    /// The same by one thread over a mapping made for it, page faults included.
    pub(crate) fn count_newlines_mapped(&self) -> u64 {
        let file = File::open(&self.path).unwrap();
        // SAFETY: nobody writes the bench's own log while it runs.
        #[allow(
            unsafe_code,
            clippy::undocumented_unsafe_blocks,
            reason = "the baseline is a plain mapping"
        )]
        let map = unsafe { memmap2::Mmap::map(&file).unwrap() };
        memchr::memchr_iter(b'\n', &map).count() as u64
    }
}

/// Something to time; it asserts its own answer.
pub(crate) struct Variant<'a> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut() + 'a>,
}

impl<'a> Variant<'a> {
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

const ROUNDS: usize = 5;

/// Runs the variants in turns, each on a warm file, and prints a table; the ratio is to the first variant.
/// Returns the medians in seconds.
pub(crate) fn compare(log: &Log, variants: &mut [Variant<'_>]) -> Vec<f64> {
    let mut seconds: Vec<Vec<f64>> = variants.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for (variant, seconds) in variants.iter_mut().zip(&mut seconds) {
            log.warm();
            let start = Instant::now();
            (variant.run)();
            // The first round warms up.
            if round > 0 {
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
    }
    println!(
        "\n{} ({} lines, {} bytes), median of {ROUNDS} rounds in turns",
        log.name, log.lines, log.bytes
    );
    println!(
        "{:<44} {:>8} {:>17} {:>9} {:>7} {:>8}",
        "", "s", "(min-max)", "M lines/s", "GB/s", "x first"
    );
    let mut medians: Vec<f64> = Vec::new();
    for (variant, seconds) in variants.iter().zip(&mut seconds) {
        seconds.sort_by(f64::total_cmp);
        let median = seconds[ROUNDS / 2];
        medians.push(median);
        #[expect(clippy::cast_precision_loss, reason = "printed with three digits")]
        let (lines, bytes) = (log.lines as f64, log.bytes as f64);
        println!(
            "{:<44} {median:>8.4} ({:>7.4}-{:>7.4}) {:>9.2} {:>7.2} {:>8.2}",
            variant.name,
            seconds[0],
            seconds[ROUNDS - 1],
            lines / median / 1e6,
            bytes / median / 1e9,
            median / medians[0],
        );
    }
    medians
}
