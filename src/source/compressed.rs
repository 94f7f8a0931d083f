//! Compressed inputs, recognized by their first bytes, whatever their names.
//!
//! Owns: the known compressions, [`DecodingReader`], and the decoding of gzip. May import: flate2. Must not know: lines,
//! threads.
//!
//! To add a compression, add a variant of [`DecodingReader`], build it in [`Compression::decoder`], and add a log
//! compressed that way to the test that compares compressed and plain logs (`pipeline::tests`).

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::read_full;

/// Number of first bytes that are enough to recognize every compression.
pub(super) const MAGIC_BYTES: usize = 10;

/// A compression that is recognized; only some are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Lz4,
    Zip,
    /// The `.Z` files of compress(1).
    Lzw,
}

impl Compression {
    /// The compression of bytes that start with `head`; `None` for plain text.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, which parallel compressors put before the data.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..] => Self::Bzip2,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [0x1f, 0x9d, ..] => Self::Lzw,
            _ => return None,
        })
    }

    /// The name of the compression, and the command that decodes a file.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Gzip => ("gzip", "zcat"),
            Self::Zstd => ("zstd", "zstdcat"),
            Self::Xz => ("xz", "xzcat"),
            Self::Bzip2 => ("bzip2", "bzcat"),
            Self::Lz4 => ("lz4", "lz4cat"),
            Self::Zip => ("zip", "unzip -p"),
            Self::Lzw => ("compress", "zcat"),
        }
    }

    /// A decoder of `reader`. The error names the command to use for a compression that is not decoded here.
    pub(super) fn decoder(self, reader: Box<dyn Read + Send>) -> io::Result<DecodingReader> {
        match self {
            Self::Gzip => Ok(DecodingReader::Gzip(Box::new(Gunzip::new(reader)))),
            _ => {
                let (name, command) = self.names();
                Err(io::Error::other(format!(
                    "it is compressed by {name}, which is not read here; try: {command} FILE | hitmap analyze -"
                )))
            }
        }
    }

    /// The error for decoded bytes that are themselves compressed, in this way.
    pub(super) fn inner_error(self) -> io::Error {
        let (name, command) = self.names();
        io::Error::other(format!(
            "it is compressed twice, by {name} inside; try: zcat FILE | {command} | hitmap analyze -"
        ))
    }
}

/// An input's bytes, decoded if they are compressed.
pub(super) enum DecodingReader {
    Plain {
        reader: Box<dyn Read + Send>,
        /// Number of bytes read from `reader`.
        input_bytes: u64,
    },
    Gzip(Box<Gunzip>),
}

impl DecodingReader {
    /// A reader that decodes `reader` if its first bytes show that it is compressed.
    pub(super) fn new(mut reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut head = [0; MAGIC_BYTES];
        let read = read_full(&mut reader, &mut head)?;
        let head = &head[..read];
        let compression = Compression::of(head);
        let whole = Box::new(io::Cursor::new(head.to_vec()).chain(reader));
        match compression {
            None => Ok(Self::plain(whole)),
            Some(compression) => compression.decoder(whole),
        }
    }

    /// A reader that hands out the bytes of `reader` as they are.
    pub(super) fn plain(reader: Box<dyn Read + Send>) -> Self {
        Self::Plain { reader, input_bytes: 0 }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain { .. })
    }

    /// Number of bytes of the input read so far; if it is compressed, of compressed bytes.
    pub(super) fn input_bytes(&self) -> u64 {
        match self {
            Self::Plain { input_bytes, .. } => *input_bytes,
            Self::Gzip(gunzip) => gunzip.input_bytes,
        }
    }

    /// A remark for the user about an input that was decoded to its end.
    pub(super) fn note(&self) -> Option<&'static str> {
        match self {
            Self::Plain { .. } => None,
            Self::Gzip(gunzip) => gunzip.note,
        }
    }
}

impl Read for DecodingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain { reader, input_bytes } => {
                let read = reader.read(buffer)?;
                *input_bytes += read as u64;
                Ok(read)
            }
            Self::Gzip(gunzip) => gunzip.read(buffer),
        }
    }
}

/// Size of the buffer for compressed bytes.
const INPUT_BYTES: usize = 128 * 1024;
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Decodes gzip (RFC 1952): any number of members in a row, as gzip(1) does.
///
/// Zero padding after the last gzip member is skipped. Any other trailing bytes are ignored, with a note. Bytes decoded
/// before an error are returned before the error is.
pub(super) struct Gunzip {
    reader: Box<dyn Read + Send>,
    input: Vec<u8>,
    /// `input[start..end]` is not decoded yet.
    start: usize,
    end: usize,
    input_bytes: u64,
    inflate: Decompress,
    state: GunzipState,
    note: Option<&'static str>,
}

enum GunzipState {
    Member,
    /// After a member: another may follow.
    Between,
    Ended,
    Failed(io::Error),
}

impl Gunzip {
    fn new(reader: Box<dyn Read + Send>) -> Self {
        Self {
            reader,
            input: vec![0; INPUT_BYTES],
            start: 0,
            end: 0,
            input_bytes: 0,
            inflate: Self::member(),
            state: GunzipState::Member,
            note: None,
        }
    }

    /// A decoder of one member, which checks its length and CRC.
    fn member() -> Decompress {
        Decompress::new_gzip(15)
    }

    /// Reads until at least `wanted` bytes are buffered or the input ends; returns all buffered bytes.
    fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.end - self.start < wanted {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < wanted {
                match self.reader.read(&mut self.input[self.end..]) {
                    Ok(0) => break,
                    Ok(read) => {
                        self.end += read;
                        self.input_bytes += read as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(&self.input[self.start..self.end])
    }

    /// Decodes a part of a member; `Ok(0)` at its end.
    fn inflate(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            let is_input_over = self.fill(1)?.is_empty();
            let (bytes_in, bytes_out) = (self.inflate.total_in(), self.inflate.total_out());
            let input = &self.input[self.start..self.end];
            let status = self.inflate.decompress(input, output, FlushDecompress::None);
            // Both counts fit: neither exceeds the length of its slice.
            self.start += usize::try_from(self.inflate.total_in() - bytes_in).unwrap_or(usize::MAX);
            let decoded =
                usize::try_from(self.inflate.total_out() - bytes_out).unwrap_or(usize::MAX);
            let state = match status {
                Ok(Status::StreamEnd) => GunzipState::Between,
                Ok(_) if is_input_over && decoded == 0 => GunzipState::Failed(io::Error::other(
                    "its compressed data is truncated; what could be decoded was read",
                )),
                Ok(_) if decoded == 0 => continue,
                Ok(_) => GunzipState::Member,
                Err(error) => {
                    let reason = error.message().unwrap_or("not gzip data").trim_end_matches('\0');
                    GunzipState::Failed(io::Error::other(format!(
                        "its compressed data is corrupt ({reason}); what was decoded before was read"
                    )))
                }
            };
            self.state = state;
            return Ok(decoded);
        }
    }

    /// Whether another member follows.
    fn next_member(&mut self) -> io::Result<bool> {
        let head = self.fill(GZIP_MAGIC.len())?;
        // The first bytes of a member that was cut off are not garbage: they lead to an error.
        if !head.is_empty() && GZIP_MAGIC.starts_with(&head[..head.len().min(GZIP_MAGIC.len())]) {
            self.inflate = Self::member();
            return Ok(true);
        }
        while self.fill(1)?.first() == Some(&0) {
            let zeros = self.input[self.start..self.end].iter().take_while(|&&byte| byte == 0);
            self.start += zeros.count();
        }
        if !self.fill(1)?.is_empty() {
            self.note = Some("trailing bytes after the last gzip member were ignored");
        }
        Ok(false)
    }
}

impl Read for Gunzip {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, GunzipState::Ended) {
                GunzipState::Member => {
                    self.state = GunzipState::Member;
                    match self.inflate(output)? {
                        0 => {}
                        decoded => return Ok(decoded),
                    }
                }
                GunzipState::Between => {
                    if self.next_member()? {
                        self.state = GunzipState::Member;
                    }
                }
                GunzipState::Ended => return Ok(0),
                GunzipState::Failed(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use flate2::{GzBuilder, write::GzEncoder};

    use super::{Compression, DecodingReader};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Lines that do not compress well.
    fn text(lines: u64) -> Vec<u8> {
        (0..lines)
            .flat_map(|i| format!("{i} {}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes())
            .collect()
    }

    /// A reader of one byte at a time that is interrupted now and then.
    struct Drip(Vec<u8>, usize);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(7) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let at = self.1 - self.1 / 7 - 1;
            let Some(&byte) = self.0.get(at) else { return Ok(0) };
            buffer[0] = byte;
            Ok(1)
        }
    }

    /// All decoded bytes, the error at their end, and the note.
    fn decode(
        reader: impl Read + Send + 'static,
    ) -> (Vec<u8>, Option<String>, Option<&'static str>) {
        let mut decoder = DecodingReader::new(Box::new(reader)).unwrap();
        let mut decoded = Vec::new();
        let error = decoder.read_to_end(&mut decoded).err();
        (decoded, error.map(|error| error.to_string()), decoder.note())
    }

    fn check(compressed: &[u8], expected: &[u8], note: bool) {
        let cursor = io::Cursor::new(compressed.to_vec());
        for (decoded, error, found) in [decode(cursor), decode(Drip(compressed.to_vec(), 0))] {
            assert!(decoded == expected, "{} of {} bytes", decoded.len(), expected.len());
            assert_eq!(error, None);
            assert_eq!(found.is_some(), note);
        }
    }

    #[test]
    fn members_follow_each_other() {
        let text = text(5_000);
        let (one, two) = text.split_at(40_001);
        check(&gzip(&text), &text, false);
        check(&[gzip(one), gzip(two)].concat(), &text, false);
        check(&[gzip(one), gzip(b""), gzip(b""), gzip(two), gzip(b"")].concat(), &text, false);
        check(&gzip(b""), b"", false);
        let small: Vec<u8> = text.chunks(700).flat_map(gzip).collect();
        check(&small, &text, false);
    }

    #[test]
    fn headers_may_carry_names_comments_and_extra_fields() {
        // An extra field as bgzip writes it.
        let builder = GzBuilder::new()
            .extra(&b"BC\x02\0\x1b\0"[..])
            .filename(&b"access.log"[..])
            .comment(&b"a comment"[..]);
        let mut encoder = builder.write(Vec::new(), flate2::Compression::new(1));
        encoder.write_all(b"one\n").unwrap();
        let member = encoder.finish().unwrap();
        check(&[member.clone(), member].concat(), b"one\none\n", false);
    }

    #[test]
    fn what_follows_the_members_is_ignored() {
        let text = text(2_000);
        let with = |tail: &[u8]| [&gzip(&text)[..], tail].concat();
        check(&with(&[0; 3]), &text, false);
        check(&with(&[0; 500_000]), &text, false);
        check(&with(b"garbage"), &text, true);
        check(&with(&[&[0; 300_000][..], b"x"].concat()), &text, true);
        check(&with(&[0x1f, 0x8b, 7, 0]), &text, true);
        // As gzip(1) does: after zeros no member counts.
        check(&with(&[&[0; 512][..], &gzip(b"more\n")].concat()), &text, true);
    }

    #[test]
    fn every_truncation_is_an_error_after_what_was_decoded() {
        let text = text(300);
        let compressed = gzip(&text);
        let whole = [&gzip(b"first\n")[..], &compressed].concat();
        for length in whole.len() - compressed.len() + 1..whole.len() {
            let (decoded, error, _) = decode(io::Cursor::new(whole[..length].to_vec()));
            assert!(decoded.starts_with(b"first\n"));
            assert!(text.starts_with(&decoded[6..]));
            assert!(error.unwrap().contains("truncated"), "{length} of {} bytes", whole.len());
        }
    }

    #[test]
    fn damage_is_an_error_after_what_was_decoded() {
        let text = text(50_000);
        let compressed = gzip(&text);
        for (at, least) in [
            (compressed.len() - 1, text.len()),
            (compressed.len() - 6, text.len()),
            (compressed.len() / 2, text.len() / 3),
        ] {
            let mut damaged = compressed.clone();
            damaged[at] ^= 0x55;
            let (decoded, error, _) = decode(io::Cursor::new(damaged));
            assert!(error.unwrap().contains("corrupt"));
            assert!(decoded.len() >= least, "{} of {} bytes", decoded.len(), text.len());
        }
    }

    #[test]
    fn other_compressions_are_named() {
        for (head, name, command) in [
            (&[0x28, 0xb5, 0x2f, 0xfd, 0, 0][..], "zstd", "zstdcat FILE | hitmap analyze -"),
            (&[0x52, 0x2a, 0x4d, 0x18], "zstd", "zstdcat"),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0, 0], "xz", "xzcat"),
            (b"BZh91AY&SY..", "bzip2", "bzcat"),
            (&[0x04, 0x22, 0x4d, 0x18, 0], "lz4", "lz4cat"),
            (b"PK\x03\x04....", "zip", "unzip -p"),
            (&[0x1f, 0x9d, 0x90], "compress", "zcat"),
        ] {
            let error =
                DecodingReader::new(Box::new(io::Cursor::new(head.to_vec()))).err().unwrap();
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(command), "{text}");
        }
        for plain in [&b""[..], b"\x1f", b"\x1f\x8b", b"BZh9 was here", b"127.0.0.1 - -"] {
            assert_eq!(Compression::of(plain), None);
            check(plain, plain, false);
        }
    }

    #[test]
    fn input_bytes_are_those_of_the_file() {
        let compressed = [&gzip(&text(100_000))[..], &[0; 1000]].concat();
        let mut decoder =
            DecodingReader::new(Box::new(io::Cursor::new(compressed.clone()))).unwrap();
        io::copy(&mut decoder, &mut io::sink()).unwrap();
        assert_eq!(decoder.input_bytes(), compressed.len() as u64);
    }
}
