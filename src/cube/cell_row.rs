//! Cells as rows of text: NDJSON and CSV.
//!
//! Owns: the format of a row, for `--cells` and the generator's `--truth`. May import: `text`, `time`. Must not know:
//! where cells come from, the order of rows.

use std::io::{self, Write};
use std::path::Path;

use crate::text::is_hostile;
use crate::time::{Bucket, Granularity};

/// One cell of the cube with its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellRow<'a> {
    /// Name of the site.
    pub site: &'a str,
    /// The day, hour or minute.
    pub bucket: Bucket,
    /// Name of the section; `None` in the cells of the whole site.
    pub section: Option<&'a str>,
    /// The page; `None` in the cells of the site and of a section.
    pub page: Option<&'a str>,
    /// Page views.
    pub pv: u64,
    /// Unique visitors.
    pub uv: u64,
}

/// The format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellFormat {
    /// One JSON object a line (RFC 8259).
    Ndjson,
    /// Comma-separated values with a header (RFC 4180), LF line ends, empty for null.
    Csv,
}

impl CellFormat {
    /// The format for a file name: CSV for `.csv`, NDJSON for any other.
    #[must_use]
    pub fn of_path(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("csv") => Self::Csv,
            _ => Self::Ndjson,
        }
    }

    /// Appends one row to `buffer`.
    pub fn append(self, buffer: &mut Vec<u8>, row: &CellRow<'_>) {
        match self {
            CellFormat::Ndjson => {
                buffer.extend_from_slice(b"{\"site\":");
                push_json_string(buffer, row.site);
                buffer.extend_from_slice(b",\"granularity\":\"");
                buffer.extend_from_slice(row.bucket.granularity.name().as_bytes());
                buffer.extend_from_slice(b"\",\"bucket\":\"");
                push_bucket(buffer, row.bucket);
                buffer.extend_from_slice(b"\",\"section\":");
                push_json_nullable(buffer, row.section);
                buffer.extend_from_slice(b",\"page\":");
                push_json_nullable(buffer, row.page);
                buffer.extend_from_slice(b",\"pv\":");
                push_integer(buffer, row.pv);
                buffer.extend_from_slice(b",\"uv\":");
                push_integer(buffer, row.uv);
                buffer.extend_from_slice(b"}\n");
            }
            CellFormat::Csv => {
                push_csv_field(buffer, row.site);
                buffer.push(b',');
                buffer.extend_from_slice(row.bucket.granularity.name().as_bytes());
                buffer.push(b',');
                push_bucket(buffer, row.bucket);
                buffer.push(b',');
                push_csv_field(buffer, row.section.unwrap_or_default());
                buffer.push(b',');
                push_csv_field(buffer, row.page.unwrap_or_default());
                buffer.push(b',');
                push_integer(buffer, row.pv);
                buffer.push(b',');
                push_integer(buffer, row.uv);
                buffer.push(b'\n');
            }
        }
    }

    /// The text before the first row; empty for NDJSON.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Ndjson => "",
            Self::Csv => "site,granularity,bucket,section,page,pv,uv\n",
        }
    }
}

/// Writes rows to `output`, through a buffer of 256 KiB: `output` needs no buffer of its own.
#[derive(Debug)]
pub struct CellWriter<W: Write> {
    output: W,
    format: CellFormat,
    buffer: Vec<u8>,
}

const BUFFER_BYTES: usize = 256 * 1024;

impl<W: Write> CellWriter<W> {
    /// Starts with the header of the format.
    pub fn new(output: W, format: CellFormat) -> Self {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
        buffer.extend_from_slice(format.header().as_bytes());
        Self { output, format, buffer }
    }

    /// Appends one row.
    ///
    /// # Errors
    /// The error of the output.
    pub fn write(&mut self, row: &CellRow<'_>) -> io::Result<()> {
        self.format.append(&mut self.buffer, row);
        if self.buffer.len() >= BUFFER_BYTES {
            self.output.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes the rest of the buffer, and returns the output.
    ///
    /// # Errors
    /// The error of the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&self.buffer)?;
        self.output.flush()?;
        Ok(self.output)
    }
}

fn push_integer(buffer: &mut Vec<u8>, value: u64) {
    buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn push_two_digits(buffer: &mut Vec<u8>, value: u32) {
    debug_assert!(value < 100);
    buffer.extend_from_slice(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

/// The same text as `Bucket`'s `Display`, but faster: it is needed for every cell.
fn push_bucket(buffer: &mut Vec<u8>, bucket: Bucket) {
    let (year, month, day) = bucket.day.date();
    match u32::try_from(year) {
        Ok(year @ 0..=9999) => {
            push_two_digits(buffer, year / 100);
            push_two_digits(buffer, year % 100);
        }
        _ => buffer.extend_from_slice(format!("{year:05}").as_bytes()),
    }
    buffer.push(b'-');
    push_two_digits(buffer, month);
    buffer.push(b'-');
    push_two_digits(buffer, day);
    let minute = u32::from(bucket.minute_of_day);
    if bucket.granularity != Granularity::Day {
        buffer.push(b'T');
        push_two_digits(buffer, minute / 60);
    }
    if bucket.granularity == Granularity::Minute {
        buffer.push(b':');
        push_two_digits(buffer, minute % 60);
    }
}

fn push_json_nullable(buffer: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => push_json_string(buffer, text),
        None => buffer.extend_from_slice(b"null"),
    }
}

/// A JSON string (RFC 8259 section 7). Characters that could harm a terminal are escaped, too, which JSON allows.
fn push_json_string(buffer: &mut Vec<u8>, text: &str) {
    buffer.push(b'"');
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\') {
        buffer.extend_from_slice(text.as_bytes());
    } else {
        for character in text.chars() {
            match character {
                '"' => buffer.extend_from_slice(b"\\\""),
                '\\' => buffer.extend_from_slice(b"\\\\"),
                _ if is_hostile(character) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        buffer.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                    }
                }
                _ => buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    buffer.push(b'"');
}

/// A CSV field, quoted if RFC 4180 section 2 requires it.
fn push_csv_field(buffer: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r')) {
        buffer.push(b'"');
        for byte in text.bytes() {
            if byte == b'"' {
                buffer.push(b'"');
            }
            buffer.push(byte);
        }
        buffer.push(b'"');
    } else {
        buffer.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{CellFormat, CellRow, CellWriter};
    use crate::time::{Bucket, Day, Granularity};

    fn check(format: CellFormat, section: Option<&str>, page: Option<&str>, expected: &str) {
        let bucket = Bucket {
            day: Day::from_date(2018, 3, 5).unwrap(),
            minute_of_day: 845,
            granularity: Granularity::Minute,
        };
        let mut writer = CellWriter::new(Vec::new(), format);
        writer.write(&CellRow { site: "default", bucket, section, page, pv: 12, uv: 3 }).unwrap();
        assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), expected);
    }

    #[test]
    fn rows_read_as_the_contract_says() {
        check(
            CellFormat::Ndjson,
            None,
            None,
            "{\"site\":\"default\",\"granularity\":\"minute\",\"bucket\":\"2018-03-05T14:05\",\
             \"section\":null,\"page\":null,\"pv\":12,\"uv\":3}\n",
        );
        check(
            CellFormat::Ndjson,
            Some("/a/"),
            Some("/a/\"\\\n\u{1b}ü"),
            "{\"site\":\"default\",\"granularity\":\"minute\",\"bucket\":\"2018-03-05T14:05\",\
             \"section\":\"/a/\",\"page\":\"/a/\\\"\\\\\\u000a\\u001bü\",\"pv\":12,\"uv\":3}\n",
        );
        check(
            CellFormat::Csv,
            Some("/a/"),
            Some("/a/\"x\",y"),
            "site,granularity,bucket,section,page,pv,uv\n\
             default,minute,2018-03-05T14:05,/a/,\"/a/\"\"x\"\",y\",12,3\n",
        );
    }

    #[test]
    fn bucket_text_is_the_display_text() {
        for day in [-719_529, -719_528, -1, 0, 17_000, 2_932_896] {
            for granularity in Granularity::ALL {
                let bucket = Bucket { day: Day(day), minute_of_day: 61, granularity };
                let mut text = Vec::new();
                super::push_bucket(&mut text, bucket);
                assert_eq!(String::from_utf8(text).unwrap(), bucket.to_string());
            }
        }
    }
}
