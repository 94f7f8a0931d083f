//! What a file is that holds no lines of a known format.
//!
//! Owns: [`refuse_beginning`] (files that are no lines of text), [`describe`] (lines of other formats), the sentences about
//! them. May import: std. Must not know: the grammars that are read.

use super::detect::{Refusal, quote};

/// Refuses a file by its first bytes, where they are no text that is read line by line: archives, databases, UTF-16, lines
/// that end with CR alone. A file of gzip and the like is decoded before.
///
/// # Errors
/// [`Refusal`], with the command that makes lines of it.
pub fn refuse_beginning(beginning: &[u8]) -> Result<(), Refusal> {
    let refuse = |text: &str| Err(Refusal(text.to_owned()));
    let starts_with = |magic: &[u8]| beginning.starts_with(magic);
    if beginning.get(257..262) == Some(b"ustar") {
        return refuse(
            "it is a tar archive: tar -xOf FILE | hitmap analyze - counts the files in it",
        );
    }
    if starts_with(b"PK\x03\x04") || starts_with(b"PK\x05\x06") {
        return refuse(
            "it is a zip archive: unzip -p FILE | hitmap analyze - counts the files in it",
        );
    }
    if starts_with(b"7z\xbc\xaf\x27\x1c") {
        return refuse(
            "it is a 7z archive: 7z x -so FILE | hitmap analyze - counts the files in it",
        );
    }
    if starts_with(b"PAR1") {
        return refuse("it is a Parquet file, not a log; give the log that it was made from");
    }
    if starts_with(b"SQLite format 3\0") {
        return refuse(
            "it is an SQLite database, not a log; hitmap report --db FILE reports from a database of hitmap",
        );
    }
    if starts_with(b"%PDF-") {
        return refuse("it is a PDF document, not a log");
    }
    if starts_with(b"\xff\xfe") || starts_with(b"\xfe\xff") || is_utf16_without_mark(beginning) {
        return refuse(
            "its text is UTF-16: iconv -f UTF-16 -t UTF-8 FILE | hitmap analyze - counts it",
        );
    }
    let carriage_returns = beginning.iter().filter(|&&byte| byte == b'\r').count();
    if carriage_returns >= 2 && !beginning.contains(&b'\n') {
        return refuse(
            "its lines end with CR alone: tr '\\r' '\\n' <FILE | hitmap analyze - counts it",
        );
    }
    Ok(())
}

/// Bytes that are looked at for UTF-16.
const UTF16_BYTES: usize = 256;

/// Whether every second byte is NUL and the others are ASCII: Latin text in UTF-16.
fn is_utf16_without_mark(beginning: &[u8]) -> bool {
    let start = &beginning[..beginning.len().min(UTF16_BYTES) & !1];
    let is_latin = |nul: usize| {
        start.chunks_exact(2).all(|pair| {
            pair[nul] == 0 && matches!(pair[1 - nul], b' '..=b'~' | b'\t' | b'\r' | b'\n')
        })
    };
    start.len() >= 16 && (is_latin(0) || is_latin(1))
}

/// What lines look like of which none could be read, and what to do, as a sentence; `lines` are some of the first.
#[must_use]
pub fn describe(lines: &[&[u8]]) -> String {
    // Comments and blank lines say nothing, unless they are a header.
    let telling = |line: &&&[u8]| !line.is_empty() && line[0] != b'#';
    let headers = HEADERS.iter().chain(&ZEEK_HEADERS);
    let is_header =
        |line: &&&[u8]| headers.clone().any(|header| line.starts_with(header.as_bytes()));
    let line = lines
        .iter()
        .find(is_header)
        .or_else(|| lines.iter().find(telling))
        .or_else(|| lines.first())
        .copied()
        .unwrap_or_default();
    let (looks_like, cure) = kind(line);
    format!("it looks like {looks_like}. {cure}. For instance: {}", quote(line))
}

/// How the header of a W3C extended log begins, in any order.
const HEADERS: [&str; 4] = ["#Fields:", "#Software:", "#Version:", "#Date:"];
/// How the header of a Zeek log begins.
const ZEEK_HEADERS: [&str; 2] = ["#separator", "#fields"];

const KNOWN: &str = "hitmap reads combined, common and dig";

/// What a line looks like, and what to do.
fn kind(line: &[u8]) -> (&'static str, String) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let server = |setting: &str| format!("{KNOWN}; {setting}");
    if HEADERS.iter().any(|header| text.starts_with(header)) {
        return (
            "a W3C extended log (IIS, CloudFront)",
            server(
                "let the server write the NCSA common format, or make combined lines of it first",
            ),
        );
    }
    if ZEEK_HEADERS.iter().any(|header| text.starts_with(header)) {
        return ("a Zeek log", server("make combined lines of it first"));
    }
    let after_prefix = text.split_once("| ").map_or(text, |(_, inside)| inside);
    if text.starts_with('{') || after_prefix.starts_with('{') {
        return (
            "JSON lines",
            server(
                "let the server write the combined format, or make such lines of it first (jq can)",
            ),
        );
    }
    if text.starts_with('<') && text.ends_with('>')
        || text.starts_with("<?xml")
        || text.starts_with("<!")
    {
        return ("XML or HTML", server("give the access log"));
    }
    if is_nginx_error(text)
        || text.starts_with('[') && (text.contains("[error]") || text.contains(":error]"))
    {
        return ("an error log", server("give the access log"));
    }
    if text.contains(" haproxy[") || text.starts_with("haproxy[") {
        return ("a log of HAProxy", server("make combined lines of it first"));
    }
    if text.split('\t').count() >= 4 {
        return ("a table with tabs", server("make combined lines of it first"));
    }
    if text.matches(',').count() >= 4 && !text.contains('[') {
        return ("CSV", server("make combined lines of it first"));
    }
    if text.contains('"') && text.contains('[') {
        return (
            "an access log of another format",
            server(
                "let the server write the combined format, or rewrite the lines first (sed can)",
            ),
        );
    }
    ("no access log that hitmap knows", KNOWN.to_owned())
}

/// `2026/11/24 06:00:00 [error] 12#12: …`
fn is_nginx_error(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 21
        && bytes[4] == b'/'
        && bytes[7] == b'/'
        && bytes[10] == b' '
        && bytes[20] == b'['
}

#[cfg(test)]
mod tests {
    use super::{describe, refuse_beginning};

    #[test]
    fn files_that_are_no_lines_are_refused() {
        let mut tar = vec![0_u8; 512];
        tar[..10].copy_from_slice(b"access.log");
        tar[257..262].copy_from_slice(b"ustar");
        let utf16: Vec<u8> =
            "1.2.3.4 - - [05/Mar".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16_big: Vec<u8> =
            "1.2.3.4 - - [05/Mar".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (beginning, word) in [
            (&tar[..], "tar"),
            (b"PK\x03\x04rest", "zip"),
            (b"7z\xbc\xaf\x27\x1c", "7z"),
            (b"PAR1\x15", "Parquet"),
            (b"SQLite format 3\0", "SQLite"),
            (b"\xff\xfe1\0", "UTF-16"),
            (&utf16, "UTF-16"),
            (&utf16_big, "UTF-16"),
            (b"a\rb\rc", "CR"),
        ] {
            let refusal = refuse_beginning(beginning).unwrap_err();
            assert!(refusal.0.contains(word), "{}", refusal.0);
        }
        for text in [
            &b""[..],
            b"1.2.3.4 - - [",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"one line\r",
            b"a\r\nb\r\n",
        ] {
            assert_eq!(refuse_beginning(text), Ok(()), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn lines_of_other_formats_are_named() {
        for (line, word) in [
            ("{\"ClientIP\":\"1.2.3.4\"}", "JSON"),
            ("caddy  | {\"level\":\"info\"}", "JSON"),
            ("#Fields: date time c-ip", "W3C"),
            ("#separator \\x09", "Zeek"),
            ("2026/11/24 06:00:00 [error] 12#12: *1 open() failed", "error log"),
            ("[Tue Nov 24 06:00:00.1 2026] [core:error] [pid 1] x", "error log"),
            ("Feb 25 16:19:38 192.168.4.2 haproxy[1]: Proxy prod started.", "HAProxy"),
            ("host\tlogname\ttime\tmethod", "tabs"),
            (
                "65.49.20.68 - - [November 23, 2021T00:18:22 +0000] \"GET / HTTP/1.1\" 200",
                "another format",
            ),
            ("<html>", "HTML"),
            ("hello", "no access log"),
        ] {
            let text = describe(&[b"# a comment", b"", line.as_bytes()]);
            assert!(text.contains(word), "{line}: {text}");
        }
        assert!(describe(&[]).contains("no access log"));
        assert!(describe(&[b"\x1b[2J"]).contains("\\u{1b}[2J"), "{}", describe(&[b"\x1b[2J"]));
    }
}
