//! The user's guide: one page for each subject.
//!
//! Owns: the pages, which are the Markdown files of this folder. May import: nothing. Must not know: how the code works.
//!
//! - [`counting`]: what counts as a line, a hit, a page view, a visitor, a page, a section and a day.
//! - [`formats`]: which logs are read, what is taken off their lines, what is refused, what is warned about.
//! - [`database`]: `--db`, reports of any range, SQL, backup and privacy.
//! - [`questions`]: names of ranges, buckets, comparisons, and what the JSON of a report has.
//! - [`database_format`]: the tables of a database, what each command reads and writes, and why.
//! - [`part_format`]: the facts of sources as files that merge.
//! - [`cron`]: counting a log that grows and is rotated.
//! - [`redis`]: publishing to Redis, its keys, and what a dashboard asks.
//! - [`hbase`]: publishing to HBase, its tables and row keys, what can be relied on, how to read them.
//! - [`speed`]: measurements, and how to repeat them.
//! - [`testing`]: how the numbers are checked.

/// A page. Pages link to each other by file name, so that the links work in the folder. In these docs the link
/// definitions below come first and win, so the same links lead to modules.
macro_rules! page {
    ($name:ident) => {
        #[doc = "[counting]: crate::guide::counting\n[database]: crate::guide::database"]
        #[doc = "[formats]: crate::guide::formats\n[database_format]: crate::guide::database_format"]
        #[doc = "[part_format]: crate::guide::part_format\n[questions]: crate::guide::questions"]
        #[doc = "[cron]: crate::guide::cron\n[redis]: crate::guide::redis"]
        #[doc = "[hbase]: crate::guide::hbase"]
        #[doc = "[speed]: crate::guide::speed\n[testing]: crate::guide::testing\n"]
        #[doc = include_str!(concat!(stringify!($name), ".md"))]
        pub mod $name {}
    };
}

page!(counting);
page!(formats);
page!(database);
page!(questions);
page!(database_format);
page!(part_format);
page!(cron);
page!(redis);
page!(hbase);
page!(speed);
page!(testing);
