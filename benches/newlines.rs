//! The unit of every comparison as a process of its own: counts the line ends of FILE with THREADS threads.
//!
//!     cargo bench --bench newlines -- FILE [THREADS]

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod logs;

use std::path::PathBuf;

use logs::Log;

fn main() {
    // `cargo bench` adds an option of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(path) = arguments.next().map(PathBuf::from) else {
        println!("newlines: no file named, nothing counted");
        return;
    };
    let threads = arguments.next().map_or(2, |threads| threads.parse().unwrap());
    let bytes = path.metadata().unwrap().len();
    let log = Log { name: "", path, bytes, lines: 0, page_views: 0, unique_visitors: 0 };
    println!("{}", log.count_newlines(threads));
}
