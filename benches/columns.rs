//! Day facts to bytes and back, one thread: bytes a fact and facts a second, over the log named by `HITMAP_LOG`.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::PathBuf;
use std::time::Instant;

use hitmap::facts::columns::{Bounds, Decoder, Encoder};
use hitmap::pipeline::{CountingOptions, FormatChoice, analyze, thread_pool};
use hitmap::select::Rules;
use hitmap::source::Input;
use hitmap::system::progress::Progress;

fn main() {
    let Some(path) = std::env::var_os("HITMAP_LOG").map(PathBuf::from) else {
        println!("columns: name a log with HITMAP_LOG");
        return;
    };
    let options = CountingOptions {
        inputs: vec![Input::Path(path)],
        format: FormatChoice::Detect,
        rules: Rules { site: "default".to_owned(), ..Rules::default() },
        threads: 2,
        map: true,
        window_bytes: u64::MAX,
        page_limit: u64::MAX,
        ..CountingOptions::default()
    };
    let pool = thread_pool(2).expect("two threads");
    let analysis =
        pool.install(|| analyze(&options, &Progress::default())).expect("a readable log");
    let facts = &analysis.facts;
    let days: Vec<_> = facts.days().map(|key| facts.day(key.site, key.day).into_owned()).collect();
    let count: usize = days.iter().flatten().map(|piece| piece.len()).sum();
    let bounds = Bounds { pages: 1 << 32, visitors: 1 << 32 };
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    for round in 0..5 {
        let start = Instant::now();
        let blobs: Vec<_> = days.iter().flatten().map(|piece| encoder.encode(piece)).collect();
        let encoded = start.elapsed().as_secs_f64();
        let bytes: usize = blobs.iter().map(Vec::len).sum();
        let start = Instant::now();
        for (piece, blob) in days.iter().flatten().zip(&blobs) {
            let decoded = decoder.decode(blob, bounds).expect("what was encoded");
            assert_eq!(decoded.len(), piece.len());
        }
        let decoded = start.elapsed().as_secs_f64();
        for (piece, blob) in days.iter().flatten().zip(&blobs).step_by(7) {
            assert_eq!(decoder.decode(blob, bounds).as_ref(), Ok(piece));
        }
        println!(
            "columns round {round}: {count} facts in {} pieces, {:.3} bytes a fact, encode {:.1} M/s, decode {:.1} M/s",
            blobs.len(),
            bytes as f64 / count as f64,
            count as f64 / encoded / 1e6,
            count as f64 / decoded / 1e6,
        );
    }
}
