use super::{Format, GeneratorOptions, Size, Truth, generate};
use crate::cube::CellFormat;
use crate::time::Day;

const FORMATS: [Format; 3] = [Format::Combined, Format::Common, Format::Dig];

fn small(size: Size, format: Format) -> GeneratorOptions {
    GeneratorOptions { visitors: 5_000, pages: 500, ..GeneratorOptions::new(size, format) }
}

fn run(options: &GeneratorOptions) -> (Vec<u8>, Truth) {
    let mut log = Vec::new();
    let truth = generate(options, &mut log, |_| Ok(())).unwrap();
    assert_eq!(truth.bytes, log.len() as u64);
    (log, truth)
}

#[test]
fn the_defaults_are_the_first_site() {
    let options = GeneratorOptions::new(Size::Lines(1), Format::Combined);
    assert_eq!(Some(options.start), Day::from_date(2018, 3, 5));
    assert_eq!(1 + super::pages::LISTS + options.pages, 12_946);
}

#[test]
fn the_same_options_give_the_same_bytes() {
    for format in FORMATS {
        let options = GeneratorOptions { bad_permille: 100, ..small(Size::Lines(3_000), format) };
        let (log, _) = run(&options);
        assert_eq!(log, run(&options).0);
        // Collecting the truth draws nothing.
        assert_eq!(log, run(&GeneratorOptions { collect_cells: true, ..options.clone() }).0);
        assert_ne!(log, run(&GeneratorOptions { seed: 2, ..options.clone() }).0);
    }
}

/// Another hash here means that logs of earlier versions cannot be made again: say so where versions are described.
#[test]
fn the_bytes_are_those_of_every_machine() {
    let hashes = FORMATS.map(|format| {
        let (log, _) =
            run(&GeneratorOptions { bad_permille: 100, ..small(Size::Lines(5_000), format) });
        xxhash_rust::xxh3::xxh3_64(&log)
    });
    assert_eq!(hashes, [0xfdc4_ad37_a9da_dbca, 0x7d90_da38_65ae_1ab8, 0x4856_f3a5_14eb_93a7]);
}

#[test]
fn as_much_is_written_as_was_asked_for() {
    for format in FORMATS {
        for lines in [0, 1, 2, 999, 20_000] {
            for (bad_permille, shuffle) in [(0, false), (50, true)] {
                let options =
                    GeneratorOptions { bad_permille, shuffle, ..small(Size::Lines(lines), format) };
                let (log, truth) = run(&options);
                assert_eq!(truth.lines, lines);
                assert_eq!(log.iter().filter(|&&byte| byte == b'\n').count() as u64, lines);
                assert_eq!(truth.hits + truth.malformed + truth.empty + truth.other, lines);
                assert_eq!(truth.status.iter().sum::<u64>(), truth.hits);
                assert!(
                    truth.page_views <= truth.hits && truth.unique_visitors <= truth.page_views
                );
                assert!(bad_permille > 0 || truth.malformed + truth.empty == 0);
            }
        }
        let (log, _) = run(&small(Size::Bytes(1_000_000), format));
        assert!((1_000_000..1_002_000).contains(&log.len()));
        let last_line =
            log.strip_suffix(b"\n").unwrap().rsplit(|&byte| byte == b'\n').next().unwrap();
        assert!(last_line.escape_ascii().to_string().contains("11/Mar/2018:23:5"));
    }
}

#[test]
fn every_kind_of_odd_line_occurs() {
    for format in FORMATS {
        let (_, truth) =
            run(&GeneratorOptions { bad_permille: 1000, ..small(Size::Lines(10_000), format) });
        for (name, lines) in &truth.odd_lines {
            assert!(*lines > 50, "{name}: {lines}");
        }
        // The first line is never odd.
        assert_eq!(truth.odd_lines.iter().map(|(_, lines)| lines).sum::<u64>(), 9_999);
    }
}

#[test]
fn shares_are_lifelike() {
    let (log, truth) = run(&GeneratorOptions::new(Size::Lines(100_000), Format::Combined));
    let line_bytes = log.len() / 100_000;
    assert!((215..235).contains(&line_bytes), "{line_bytes}");
    assert!((63_000..66_000).contains(&truth.page_views), "{}", truth.page_views);
    assert!((2_000..3_500).contains(&truth.not_found), "{}", truth.not_found);
    let (_, truth) = run(&GeneratorOptions::new(Size::Lines(100_000), Format::Dig));
    assert!((400..600).contains(&truth.other), "{}", truth.other);
    assert_eq!(truth.page_views + truth.other, 100_000);
}

#[test]
fn cells_add_up_to_the_totals() {
    for format in FORMATS {
        let size = Size::Lines(5_000);
        let options = GeneratorOptions {
            bad_permille: 200,
            collect_cells: true,
            sections: 3,
            ..small(size, format)
        };
        let (_, truth) = run(&options);
        let mut cells = Vec::new();
        truth.write_cells(CellFormat::Ndjson, &mut cells).unwrap();
        let mut sums = [0_u64; 3];
        for row in cells.split_inclusive(|&byte| byte == b'\n') {
            let row: serde_json::Value = serde_json::from_slice(row).unwrap();
            let level =
                usize::from(!row["section"].is_null()) + usize::from(!row["page"].is_null());
            sums[level] += row["pv"].as_u64().unwrap();
            assert!(row["uv"].as_u64() <= row["pv"].as_u64());
        }
        assert_eq!(sums, [truth.page_views * 3; 3]);
        let (_, truth) = run(&GeneratorOptions { collect_cells: false, ..options });
        assert!(truth.write_cells(CellFormat::Ndjson, Vec::new()).is_err());
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let good = GeneratorOptions::new(Size::Lines(1), Format::Combined);
    let last_day = Day::from_date(9999, 12, 31).unwrap();
    for options in [
        GeneratorOptions { visitors: 0, ..good.clone() },
        GeneratorOptions { pages: u32::MAX, ..good.clone() },
        GeneratorOptions { days: 0, ..good.clone() },
        GeneratorOptions { bad_permille: 1001, ..good.clone() },
        GeneratorOptions { start: last_day, days: 2, ..good.clone() },
    ] {
        assert!(generate(&options, Vec::new(), |_| Ok(())).is_err());
    }
    assert!(
        generate(
            &GeneratorOptions { start: last_day, days: 1, ..good.clone() },
            Vec::new(),
            |_| Ok(())
        )
        .is_ok()
    );
    assert!(generate(&good, Vec::new(), |_| Err(std::io::ErrorKind::Interrupted.into())).is_err());
}
