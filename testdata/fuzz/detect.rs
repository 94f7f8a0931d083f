//! The format detected is the one the tests' oracle names.

#![no_main]

#[path = "../../tests/it/oracle/mod.rs"]
mod oracle;

use hitmap::parse::LogFormat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A byte order mark is taken off before detection.
    let sample = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (_, expected) = oracle::analyze(&[bytes], &oracle::Rules::default()).files[0];
    let expected = expected.map(|format| match format {
        oracle::Format::Combined => LogFormat::Combined,
        oracle::Format::Common => LogFormat::Common,
        oracle::Format::Dig => LogFormat::Dig,
    });
    assert_eq!(LogFormat::detect(sample), expected);
});
