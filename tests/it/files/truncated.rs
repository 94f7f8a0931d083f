//! Files that change while they are read: what was there counts, what is gone is no line, and the file is named.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use hitmap::source::{BLOCK_BYTES, FileSource, Input, Opened, Opening, ReadBuffer};

use crate::harness::{
    Folder, analyze_json, assert_only_warns_of_visitors, end_of, needs, run, signal, start,
    wait_until,
};
use crate::logs::{line, lines};

const TRUNCATED: &str = "it was truncated while being read";

fn open(path: &Path, map: bool) -> FileSource {
    match Input::Path(path.to_owned()).open(Opening { map, whole_lines: false }).unwrap() {
        Opened::File(file) => file,
        Opened::Stream(_) => panic!("not a regular file"),
    }
}

fn truncate(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// What a range gives: its bytes and its error.
fn read(file: &FileSource, start: u64, end: u64) -> (Vec<u8>, Option<String>) {
    let mut buffer = ReadBuffer::default();
    let mut found = Vec::new();
    let mut each = |_, bytes: &[u8]| found.extend_from_slice(bytes);
    if file.lines(start..end, &mut buffer, &mut each).is_ok() {
        return (found, None);
    }
    let mut left = Vec::new();
    let mut each = |_, bytes: &[u8]| left.extend_from_slice(bytes);
    let error = file.surviving_lines(start..end, &mut buffer, &mut each);
    (left, Some(error.to_string()))
}

#[test]
fn lines_that_are_left_are_given_and_the_rest_is_an_error() {
    let line_bytes = line(0).len();
    let text = lines(1_000);
    let half = text.len() as u64 / 2;
    // At a line end, in the middle of one, inside a page, at a page's end, at nothing.
    for length in [0, 1, 4096, 8192, line_bytes * 10, line_bytes * 60 + 7, text.len() - 1] {
        for map in [true, false] {
            let folder = Folder::new();
            let path = folder.write("log", &text);
            let source = open(&path, map);
            truncate(&path, length as u64);
            let whole = length / line_bytes * line_bytes;
            let end = text.len() as u64;
            for _ in 0..2 {
                let (found, error) = read(&source, 0, end);
                assert_eq!(found, text[..whole], "{length} {map}");
                assert_eq!(error.as_deref(), Some(TRUNCATED), "{length} {map}");
            }
            let (_, error) = read(&source, half, end);
            assert_eq!(error.as_deref(), Some(TRUNCATED), "{length} {map}");
        }
    }
}

/// The fault itself: the file goes while its mapped bytes are in use.
#[test]
fn a_fault_in_a_mapped_file_reads_as_zeros() {
    let folder = Folder::new();
    let text = lines(100_000);
    for kept in [0, 4096, 1_000_000] {
        let path = folder.write("log", &text);
        let other = folder.write("other", &text);
        let (source, other) = (open(&path, true), open(&other, true));
        let mut was_given = 0;
        let result =
            source.lines(0..text.len() as u64, &mut ReadBuffer::default(), &mut |_, bytes| {
                was_given = bytes.len();
                truncate(&path, kept as u64);
                // From the end, so that every page would fault.
                assert!(bytes[kept..].iter().rev().all(|&byte| byte == 0));
                assert_eq!(bytes[..kept], text[..kept]);
            });
        assert_eq!(was_given, text.len());
        assert_eq!(result.unwrap_err().to_string(), TRUNCATED);
        let (found, error) = read(&source, 0, text.len() as u64);
        let whole = kept / line(0).len() * line(0).len();
        assert_eq!((found.len(), error.as_deref()), (whole, Some(TRUNCATED)));
        // A mapping beside it is none the worse.
        assert_eq!(read(&other, 0, text.len() as u64), (text.clone(), None));
    }
}

#[test]
fn appended_replaced_and_deleted_files_are_read_as_they_were_opened() {
    let text = lines(1_000);
    for map in [true, false] {
        let folder = Folder::new();
        let path = folder.write("log", &text);
        let end = text.len() as u64;
        let source = open(&path, map);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&lines(10)).unwrap();
        assert_eq!(source.bytes(), end);
        assert_eq!(read(&source, 0, end), (text.clone(), None));
        std::fs::rename(folder.write("new", b"other"), &path).unwrap();
        assert_eq!(read(&source, 0, end), (text.clone(), None));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&source, 0, end), (text.clone(), None));
    }
}

/// The program stands still, writing malformed lines to a pipe that is full, while its log is truncated.
#[test]
fn a_run_reports_a_truncated_log_and_counts_the_rest() {
    let bad_line = format!("{}\n", "x".repeat(line(0).len() - 1));
    let line_bytes = bad_line.len() as u64;
    let mut text = bad_line.repeat(20_000).into_bytes();
    text.extend(lines(BLOCK_BYTES * 6 / line_bytes));
    let kept_lines = BLOCK_BYTES * 4 / line_bytes;
    for mode in [&[][..], &["--no-mmap"]] {
        let folder = Folder::new();
        let path = folder.write("a.log", &text);
        let next = folder.write("b.log", line(7).as_bytes());
        let pipe = needs!(folder.fifo("pipe"));
        let mut command = analyze_json();
        command.args(["-j", "1", "-f", "combined", "--invalid-lines"]).arg(&pipe);
        let child = start(command.args(mode).args([&path, &next]));
        let mut reader = File::open(&pipe).unwrap();
        reader.read_exact(&mut [0; 1]).unwrap();
        truncate(&path, kept_lines * line_bytes + 9);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len() as u64, 20_000 * line_bytes - 1);

        let said = end_of(child);
        assert_eq!(said.counts(), (kept_lines + 1, kept_lines + 1 - 20_000, 20_000), "{mode:?}");
        assert_eq!(said.json()["inputs"][0]["bytes"], kept_lines * line_bytes);
        assert_eq!(said.json()["inputs"][1]["lines"], 1);
        assert_eq!(said.exit_code, Some(3));
        assert!(said.stderr_text().contains("a.log\": it was truncated while being read"));
        assert!(said.stderr_text().contains("the rest was counted"), "{}", said.stderr_text());
    }
}

/// At any moment, also while a line is being parsed. However much was left, what counts is whole lines.
#[test]
fn truncation_at_any_moment_makes_no_malformed_line() {
    let folder = Folder::new();
    let text = lines(200_000);
    let line_bytes = line(0).len() as u64;
    let mut truncated = 0;
    for round in 0..30_u64 {
        let path = folder.write("log", &text);
        let length = text.len() as u64 * (round % 5) / 7 + round;
        let mode = if round % 4 == 3 { &["--no-mmap"][..] } else { &[] };
        let child = start(analyze_json().arg(&path).args(mode));
        std::thread::sleep(std::time::Duration::from_millis(round * 2));
        truncate(&path, length);
        let said = end_of(child);
        if said.stdout.is_empty() {
            // It was empty when it was opened.
            continue;
        }
        let (lines, hits, malformed) = said.counts();
        if said.exit_code == Some(3) {
            truncated += 1;
            assert!(lines >= length / line_bytes, "{lines} of {length} bytes");
            assert_eq!((hits, malformed), (lines, 0), "{}", said.json()["malformed_samples"]);
            assert_eq!(said.total("unique_visitors"), lines);
        } else {
            assert_eq!(
                said.exit_code,
                Some(i32::from(lines > 0 && hits == 0)),
                "{}",
                said.stderr_text()
            );
            // The whole file, or what it was when it was opened, the last line cut.
            assert!(lines == 200_000 || lines == length.div_ceil(line_bytes), "{lines} {length}");
        }
    }
    assert!(truncated > 0, "no run met the truncation");
}

/// A SIGBUS that is not about a log ends the process as it would have without the guard.
#[test]
fn other_faults_still_end_the_process() {
    let folder = Folder::new();
    let path = folder.write("a.log", lines(10));
    let pipe = needs!(folder.fifo("pipe"));
    let mut child = start(analyze_json().args([&path, &pipe]));
    let writer = OpenOptions::new().write(true).open(&pipe).unwrap();
    // Rust's own handler, which was there first, lets the first one pass and takes itself away.
    wait_until("the process has ended", || {
        signal(&child, "BUS");
        std::thread::sleep(std::time::Duration::from_millis(20));
        child.try_wait().unwrap().is_some()
    });
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(child.wait().unwrap().signal(), Some(7));
    drop(writer);
}

#[test]
fn an_unchanged_file_is_no_error() {
    let folder = Folder::new();
    let path = folder.write("a.log", lines(300_000));
    for mode in [&[][..], &["--no-mmap"]] {
        let said = run(analyze_json().arg(&path).args(mode));
        assert_eq!(said.exit_code, Some(0));
        assert_only_warns_of_visitors(&said);
        assert_eq!(said.counts(), (300_000, 300_000, 0));
    }
}
