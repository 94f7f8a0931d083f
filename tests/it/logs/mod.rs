//! Logs to be counted: generated traffic, and lines with a number.
//!
//! Owns: [`log`] and its kin, [`line`], [`gzip`]. May import: `hitmap::generate`, flate2. Must not know: who reads them.

pub(crate) mod wrapped;

use std::io::Write;

use hitmap::generate::{Format, GeneratorOptions, Size, generate};

/// Twelve days of traffic, some lines odd.
pub(crate) fn log(lines: u64, seed: u64) -> Vec<u8> {
    log_of(GeneratorOptions { bad_permille: 5, seed, ..options(lines) })
}

pub(crate) fn options(lines: u64) -> GeneratorOptions {
    GeneratorOptions {
        visitors: 300,
        pages: 40,
        days: 12,
        ..GeneratorOptions::new(Size::Lines(lines), Format::Combined)
    }
}

pub(crate) fn log_of(options: GeneratorOptions) -> Vec<u8> {
    let mut log = Vec::new();
    generate(&options, &mut log, |_| Ok(())).unwrap();
    log
}

/// `log` without what follows its first `lines` lines.
pub(crate) fn head(log: &[u8], lines: usize) -> &[u8] {
    let end = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(lines - 1).unwrap().0;
    &log[..=end]
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A combined line, all of the same length: visitor and page number `number`.
pub(crate) fn line(number: u64) -> String {
    format!(
        "10.{:03}.{:03}.{:03} - - [05/Mar/2018:00:00:01 +0800] \"GET /{number:010} HTTP/1.1\" 200 5 \"-\" \"agent\"\n",
        number >> 16 & 255,
        number >> 8 & 255,
        number & 255
    )
}

/// Lines 0 to `count`.
pub(crate) fn lines(count: u64) -> Vec<u8> {
    (0..count).flat_map(|number| line(number).into_bytes()).collect()
}
