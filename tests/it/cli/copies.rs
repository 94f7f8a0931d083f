//! Inputs that hold the same lines: copies, compressed copies, older states. Each line counts once, in one run as in a
//! database.

use std::fs;
use std::path::Path;

use crate::contract::{check_cells, check_totals_only};
use crate::harness::{Folder, Outcome, hitmap, hitmap_reading};
use crate::logs::{gzip, head, log};
use crate::oracle::{self, Rules};

fn analyze(options: &[&str], inputs: &[&Path]) -> Outcome {
    let mut arguments = vec!["analyze", "--json"];
    arguments.extend(options);
    arguments.extend(inputs.iter().map(|path| path.to_str().unwrap()));
    hitmap(&arguments)
}

/// All cells and totals of a run over `inputs` are those of the logs `expected`; as many notes speak of copies as inputs are
/// left out.
#[track_caller]
fn check(folder: &Folder, options: &[&str], inputs: &[&Path], expected: &[&[u8]], copies: usize) {
    let answer = oracle::analyze(expected, &Rules::default());
    let cells = folder.path("cells.ndjson");
    let options = [options, &["--cells", cells.to_str().unwrap()]].concat();
    let outcome = analyze(&options, inputs).expect_exit(0);
    check_totals_only(&answer, &outcome.json());
    check_cells(&answer, &fs::read(cells).unwrap());
    let said = outcome.stderr_text();
    assert_eq!(said.matches("counted once").count(), copies, "{said}");
    assert_eq!(outcome.json()["inputs"].as_array().unwrap().len(), inputs.len() - copies);
}

#[test]
fn copies_and_beginnings_count_once_in_any_order_and_form() {
    let folder = Folder::new();
    let (a, b) = (log(3_000, 1), log(2_000, 2));
    let plain = folder.write("a.log", &a);
    let copy = folder.write("copy.log", &a);
    let zipped = folder.write("a.log.gz", gzip(&a));
    let beginning = folder.write("beginning.log", head(&a, 1_200));
    let zipped_beginning = folder.write("beginning.gz", gzip(head(&a, 2_000)));
    let torn = folder.write("torn.log", &a[..a.len() / 2 + 9]);
    let other = folder.write("b.log", &b);
    for options in [&["-j", "1"][..], &["-j", "2"], &["--window", "50kB"], &["--no-mmap"]] {
        check(&folder, options, &[&plain, &zipped, &other], &[&a, &b], 1);
        check(&folder, options, &[&zipped, &other, &plain, &copy], &[&a, &b], 2);
        check(&folder, options, &[&beginning, &zipped_beginning, &other, &plain], &[&a, &b], 2);
        check(&folder, options, &[&zipped, &torn], &[&a], 1);
        check(&folder, options, &[&beginning, &other], &[head(&a, 1_200), &b], 0);
    }
    // Through a pipe as well; it has gone by when it is compared, so only the same bytes are known.
    let piped = [plain.to_str().unwrap(), "-"];
    let outcome = hitmap_reading(&[&["analyze", "--json"], &piped[..]].concat(), &a).expect_exit(0);
    check_totals_only(&oracle::analyze(&[&a], &Rules::default()), &outcome.json());
    assert!(outcome.stderr_text().contains("holds the same as"), "{}", outcome.stderr_text());
}

#[test]
fn logs_that_begin_alike_are_no_copies() {
    let folder = Folder::new();
    // Longer than what is compared before the logs are read.
    let (a, b) = (log(1_500, 3), log(1_500, 4));
    let common = head(&a, 20);
    let one = [common, &a[common.len()..]].concat();
    let other = [common, &b[..]].concat();
    let paths = [folder.write("one.log", &one), folder.write("other.log", &other)];
    check(&folder, &[], &[&paths[0], &paths[1]], &[&one, &other], 0);
    // All of a block of 8 MiB.
    let filler = "10.0.0.1 - - [05/Mar/2018:14:05:09 +0800] \"GET /a.css HTTP/1.1\" 200 5 \"-\" \"";
    let filler = format!("{filler}{}\"\n", "x".repeat(900)).repeat(9_000);
    assert!(filler.len() > 8 << 20);
    let [one, other] = [&a, &b].map(|log| [filler.as_bytes(), log].concat());
    let paths = [folder.write("one.log", &one), folder.write("other.log", &other)];
    let zipped = folder.write("other.gz", gzip(&other));
    let start = folder.write("start.log", &filler);
    check(&folder, &[], &[&paths[0], &paths[1]], &[&one, &other], 0);
    check(&folder, &[], &[&start, &paths[0], &zipped, &paths[1]], &[&one, &other], 2);
}
