//! Inputs that are no plain logs: other kinds of files, odd names, too many, too long, too large.
//!
//! Files that change while they are read are in `truncated_files.rs`, odd lines in `bad_inputs.rs`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{
    Folder, Outcome, PROGRAM, analyze_json, assert_only_warns_of_visitors, end_of, needs, run,
    start,
};
use crate::logs::{line, lines};

/// Three ways of reading the same file: mapped, read, through a pipe.
fn ways(path: &Path) -> [Command; 3] {
    let mut mapped = analyze_json();
    mapped.arg(path);
    let mut read = analyze_json();
    read.arg(path).arg("--no-mmap");
    let mut piped = analyze_json();
    piped.arg("-").stdin(File::open(path).unwrap());
    [mapped, read, piped]
}

/// Runs to the end; also the largest anonymous memory seen on the way, in MiB.
fn run_watched(command: &mut Command) -> (Outcome, u64) {
    let child = start(command);
    let status = format!("/proc/{}/status", child.id());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut peak = 0;
            while !is_over.load(Ordering::Relaxed) {
                let status = std::fs::read_to_string(&status).unwrap_or_default();
                let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
                let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
                peak = peak.max(kib.unwrap_or(0_u64) / 1024);
                std::thread::sleep(Duration::from_millis(2));
            }
            peak
        });
        let outcome = end_of(child);
        is_over.store(true, Ordering::Relaxed);
        (outcome, watching.join().unwrap())
    })
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_counts() {
    let folder = Folder::new();
    let in_folder = |name: &str| folder.path(name);
    let good = folder.write("good.log", lines(3));
    let more = folder.write("more.log", &lines(5)[lines(3).len()..]);
    std::fs::create_dir(in_folder("directory")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(in_folder("socket")).unwrap();
    symlink(in_folder("loop"), in_folder("loop")).unwrap();
    symlink(in_folder("nowhere"), in_folder("dangling")).unwrap();
    for (name, reason) in [
        ("directory", "it is a directory; name the files in it"),
        ("socket", "it is a socket; a log is a file, a pipe or standard input"),
        ("loop", "Too many levels of symbolic links"),
        ("dangling", "No such file or directory"),
        ("missing", "No such file or directory"),
        ("good.log/x", "Not a directory"),
    ] {
        let said = run(analyze_json().arg(&good).arg(in_folder(name)).arg(&more));
        assert_eq!(said.exit_code, Some(3), "{name}: {}", said.stderr_text());
        assert_eq!(said.counts(), (5, 5, 0), "{name}");
        assert!(
            said.stderr_text().contains(&format!("{name}\": {reason}")),
            "{}",
            said.stderr_text()
        );
        let said = run(analyze_json().arg(in_folder(name)));
        assert_eq!(said.exit_code, Some(3), "{name}: {}", said.stderr_text());
        assert!(said.stderr_text().contains("nothing was counted"), "{}", said.stderr_text());
    }
}

#[test]
fn a_file_of_many_names_is_counted_once() {
    let folder = Folder::new();
    let path = folder.write("a.log", lines(3));
    let (link, hard) = (folder.path("link"), folder.path("hard"));
    symlink(&path, &link).unwrap();
    std::fs::hard_link(&path, &hard).unwrap();
    let dotted = folder.path("./a.log");
    let said = run(analyze_json().args([&path, &link, &hard, &dotted]));
    assert_eq!((said.exit_code, said.total("lines")), (Some(0), 3));
    assert_eq!(said.stderr_text().matches("was named before and is counted once").count(), 3);
    let said = run(analyze_json().args([&path, &link]).arg("--quiet"));
    assert_eq!((said.total("lines"), said.stderr_text().as_str()), (3, ""));
}

#[test]
fn more_files_than_the_process_may_open() {
    let folder = Folder::new();
    for number in 0..3_100 {
        folder.write(format!("{number:04}.log"), line(number).as_bytes());
    }
    for mode in ["", "--no-mmap"] {
        let script =
            format!("ulimit -n 64; cd \"$1\"; exec \"$0\" analyze --json {mode} -j 8 *.log");
        let mut command = Command::new("sh");
        command.args(["-c", &script, PROGRAM]).arg(folder.path(""));
        let said = run(&mut command);
        assert_eq!(said.exit_code, Some(0), "{mode}: {}", said.stderr_text());
        assert_only_warns_of_visitors(&said);
        assert_eq!(said.total("unique_visitors"), 3_100);
        assert_eq!(said.json()["inputs"].as_array().map(Vec::len), Some(3_100));
        assert_eq!(said.json()["inputs"][77]["path"], "0077.log");
    }
}

#[test]
fn odd_names_are_only_names() {
    let folder = Folder::new();
    for (name, shown) in [
        (&b"-rf"[..], "-rf"),
        (b"--json", "--json"),
        (b"a\nb", "a\\nb"),
        (b"esc\x1b[31m\x07", "esc\\u{1b}[31m\\u{7}"),
        (b"latin\xe9.log", "latin\\\\xe9.log"),
        (b"quote\"", "quote\\\""),
        (b" ", " "),
    ] {
        let name = OsStr::from_bytes(name);
        std::fs::write(folder.path(name), line(1)).unwrap();
        let said = run(analyze_json()
            .current_dir(folder.path(""))
            .arg("--no-mmap")
            .arg("--")
            .arg(name)
            .arg("gone"));
        assert_eq!(
            (said.exit_code, said.total("hits")),
            (Some(3), 1),
            "{name:?}: {}",
            said.stderr_text()
        );
        std::fs::remove_file(folder.path(name)).unwrap();
        let said = run(analyze_json().current_dir(folder.path("")).arg("--").arg(name));
        assert!(
            said.stderr_text().contains(&format!("\"{shown}\": No such file")),
            "{}",
            said.stderr_text()
        );
        assert!(!said.stderr_text().contains('\x1b'));
    }
}

#[test]
fn files_without_a_length_and_empty_ones() {
    let folder = Folder::new();
    let (one, two) = (
        folder.write("1", lines(3)),
        folder.write("2", &lines(5)[lines(3).len()..lines(5).len() - 1]),
    );
    let empty = folder.write("empty", b"");
    let said = run(analyze_json().args([&one, &empty, &two]));
    assert_eq!((said.exit_code, said.total("lines")), (Some(0), 5));
    assert_eq!(said.json()["inputs"].as_array().map(Vec::len), Some(3));
    // Says it has 0 bytes, and has some, none of them a line of a log.
    let said = run(analyze_json().arg(&one).arg("/proc/self/status"));
    assert_eq!((said.exit_code, said.total("hits")), (Some(3), 3));
    assert!(said.total("malformed_lines") > 10);
    let said = run(analyze_json().arg("/dev/null"));
    assert_eq!((said.exit_code, said.total("lines")), (Some(0), 0));
    // A device, and as many bytes of one as wanted.
    let script = "head -c 3000000 /dev/zero | \"$0\" analyze --json -";
    let said = run(Command::new("sh").args(["-c", script, PROGRAM]));
    // NUL bytes and nothing else are an empty line.
    assert_eq!((said.exit_code, said.counts()), (Some(0), (1, 0, 0)));
    assert_eq!(said.total("empty_lines"), 1);
}

#[test]
fn several_pipes_are_read_one_after_the_other() {
    let folder = Folder::new();
    let pipes = [needs!(folder.fifo("a")), needs!(folder.fifo("b"))];
    let child = start(analyze_json().args(&pipes));
    // The same lines in another order: the same bytes would count once.
    let all = lines(40_000);
    let (first, rest) = all.split_at(line(0).len());
    for (pipe, lines) in pipes.iter().zip([&*all, &[rest, first].concat()]) {
        std::fs::write(pipe, lines).unwrap();
    }
    let said = end_of(child);
    assert_eq!((said.exit_code, said.counts()), (Some(0), (80_000, 80_000, 0)));
    assert_eq!(said.total("unique_visitors"), 40_000);
}

#[test]
fn a_gigabyte_without_a_line_end_takes_bounded_memory() {
    let folder = Folder::new();
    let path = folder.path("holes.log");
    // Holes, as a crash leaves them, then a line.
    let mut holes = File::create(&path).unwrap();
    holes.set_len(1 << 30).unwrap();
    holes.seek(std::io::SeekFrom::End(0)).unwrap();
    holes.write_all(b"\n").unwrap();
    holes.write_all(line(1).as_bytes()).unwrap();
    // The first way maps the file: its pages count, too (anonymous memory stays at 1 MiB).
    let most = [600, 600, 900];
    for (mut command, most) in ways(&path).into_iter().zip(most) {
        let (said, peak) = run_watched(command.args(["-f", "combined"]));
        assert_eq!((said.exit_code, said.counts()), (Some(0), (2, 1, 0)), "{command:?}");
        assert_eq!(said.total("empty_lines"), 1, "a line of NUL bytes is empty");
        assert_eq!(said.json()["inputs"][0]["bytes"], (1_u64 << 30) + 1 + line(1).len() as u64);
        assert!(peak < most, "{command:?}: {peak} MiB");
    }
}

#[test]
fn a_line_of_64_mebibytes_counts() {
    let folder = Folder::new();
    let long = line(7).replace("agent", &"agent ".repeat((64 << 20) / 6));
    let text = [line(1), long, line(2)].concat();
    let path = folder.write("long.log", text.as_bytes());
    for mut command in ways(&path) {
        let (said, peak) = run_watched(&mut command);
        assert_eq!((said.exit_code, said.counts()), (Some(0), (3, 3, 0)), "{command:?}");
        assert_eq!(said.total("unique_visitors"), 3);
        assert!(peak < 300, "{command:?}: {peak} MiB");
    }
}

#[test]
fn too_many_pages_end_with_advice() {
    let folder = Folder::new();
    let path = folder.write("a.log", lines(1_000));
    let said = run(analyze_json().arg(&path).args(["--max-pages", "999"]));
    assert_eq!(said.exit_code, Some(4));
    assert!(
        said.stderr_text().starts_with("hitmap: more than 999 distinct pages."),
        "{}",
        said.stderr_text()
    );
    assert!(said.stderr_text().contains("raise --max-pages"), "{}", said.stderr_text());
    assert_eq!(run(analyze_json().arg(&path).args(["--max-pages", "1000"])).exit_code, Some(0));
}

#[test]
fn days_of_ten_thousand_years() {
    let folder = Folder::new();
    let text: String = (0..1_000)
        .map(|number| {
            line(number).replace("/2018:", &format!("/{:04}:", number * 10 + number % 10))
        })
        .collect();
    let path = folder.write("a.log", text.as_bytes());
    let said = run(analyze_json().arg(&path));
    assert_eq!((said.exit_code, said.counts()), (Some(0), (1_000, 1_000, 0)));
    assert_eq!(said.json()["cells"]["day"]["site"], 1_000);
    assert_eq!(said.json()["days"][0]["bucket"], "0000-03-05");
    assert_eq!(said.json()["days"][999]["bucket"], "9999-03-05");
}
