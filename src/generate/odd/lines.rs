//! Odd bytes and odd lines as a whole.
//!
//! Owns: kinds that do not look at one field. May import: `draft`, `random`, `text`. Must not know: other kinds.

use super::super::Format;
use super::super::random::Random;
use super::super::text::{push_number, time_text};
use super::draft::{Class, Draft};

/// Text with a small number in it, so that several values occur.
fn numbered(before: &[u8], random: &mut Random, after: &[u8]) -> Vec<u8> {
    let mut text = before.to_vec();
    push_number(&mut text, u64::from(random.below(20)));
    text.extend_from_slice(after);
    text
}

/// Mostly longer than a memory page, rarely longer than 64 KiB.
fn long_text(random: &mut Random, rarely_bytes: u32) -> Vec<u8> {
    let length = if random.one_in(64) { rarely_bytes } else { 4_100 + random.below(4) * 4_000 };
    vec![b'x'; length as usize]
}

pub(super) fn long_query(draft: &mut Draft, random: &mut Random) {
    let mut query = b"?q=".to_vec();
    query.extend(long_text(random, 70_000));
    draft.append_to_target(&query);
}

pub(super) fn long_agent(draft: &mut Draft, random: &mut Random) {
    draft.set_agent(long_text(random, 100_000));
}

pub(super) fn nul_in_path(draft: &mut Draft, random: &mut Random) {
    draft.set_path(numbered(b"/nul/\0", random, b".html"));
}

pub(super) fn nuls_before_host(draft: &mut Draft, random: &mut Random) {
    let mut host = vec![0; 1 + random.below(40) as usize];
    host.extend_from_slice(&draft.host);
    // They are passed over: the visitor is the same.
    draft.host = host;
}

pub(super) fn nuls(draft: &mut Draft, random: &mut Random) {
    let mut hole = vec![0; 1 + random.below(600) as usize];
    hole.push(b'\n');
    draft.set_whole(Class::Empty, hole);
}

/// The byte 0xe9, or the text nginx writes for it: in every output both are the same page.
pub(super) fn latin1_path(draft: &mut Draft, random: &mut Random) {
    let accent: &[u8] = if random.one_in(2) { b"/caf\xe9/" } else { b"/caf\\xe9/" };
    draft.set_path(numbered(accent, random, b".html"));
}

pub(super) fn latin1_agent(draft: &mut Draft, random: &mut Random) {
    draft.set_agent(numbered(b"Agent f\xfcr alle/", random, b""));
}

pub(super) fn invalid_utf8(draft: &mut Draft, random: &mut Random) {
    let path: &[u8] = random.pick::<&[u8]>(&[
        b"/overlong/\xc0\xaf",
        b"/overlong/\xe0\x80\xaf",
        b"/truncated/\xe4\xb8",
        b"/truncated/\xf0\x9f\x92/",
        b"/surrogate/\xed\xa0\x80",
        b"/large/\xf5\x80\x80\x80",
        b"/\xff\xfe/",
        b"/valid/\xc3\xbc/\xe7\x94\xb5\xe5\xbd\xb1",
    ]);
    draft.set_path(path);
}

pub(super) fn byte_order_mark(draft: &mut Draft, _: &mut Random) {
    let host = [b"\xef\xbb\xbf", draft.host.as_slice()].concat();
    draft.set_host(host);
}

pub(super) fn crlf(draft: &mut Draft, _: &mut Random) {
    draft.line_end = b"\r\n";
}

/// The CR belongs to the request and makes it unreadable.
pub(super) fn cr_in_protocol(draft: &mut Draft, _: &mut Random) {
    let mut request = b"GET ".to_vec();
    request.extend_from_slice(&draft.target);
    request.extend_from_slice(b" HTTP/1.1\r");
    draft.set_request(request);
}

pub(super) fn cr_in_agent(draft: &mut Draft, random: &mut Random) {
    draft.set_agent(numbered(b"Agent\r/", random, b"\r"));
}

pub(super) fn line_separators(draft: &mut Draft, random: &mut Random) {
    let separator = random.pick(&["\u{b}", "\u{c}", "\u{2028}", "\u{85}"]).as_bytes();
    let mut path = b"/separated/".to_vec();
    path.extend_from_slice(separator);
    draft.set_path(numbered(&path, random, b""));
    if draft.format != Format::Common {
        draft.set_agent([b"Agent", separator].concat());
    }
}

pub(super) fn empty(draft: &mut Draft, random: &mut Random) {
    let line: &[u8] = if random.one_in(2) { b"\n" } else { b"\r\n" };
    draft.set_whole(Class::Empty, line);
}

pub(super) fn blanks(draft: &mut Draft, random: &mut Random) {
    let line: &[u8] = if random.one_in(2) { b"   \n" } else { b"\t\n" };
    draft.set_whole(Class::Malformed, line);
}

pub(super) fn other_program(draft: &mut Draft, random: &mut Random) {
    let line = random.pick(&[
        "error: skipping \"/var/log/nginx/access.log\" because parent directory has insecure permissions\n",
        "gzip: stdin: file size changed while zipping\n",
        "considering log /var/log/nginx/access.log\n",
        "2018/03/05 00:00:01 [error] 1234#0: *99 open() \"/var/www/a.html\" failed (2: No such file or directory)\n",
        "newsyslog: logfile turned over\n",
        "x\n",
        "\"\n",
        "[\n",
    ]);
    draft.set_whole(Class::Malformed, line);
}

pub(super) fn comment(draft: &mut Draft, random: &mut Random) {
    let line = random.pick(&[
        "#Software: Microsoft Internet Information Services 8.5\n",
        "#Version: 1.0\n",
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port c-ip cs(User-Agent) sc-status\n",
        "# 1.2.3.4\n",
    ]);
    draft.set_whole(Class::Malformed, line);
}

/// A line in another format than the log's.
pub(super) fn other_format(draft: &mut Draft, random: &mut Random) {
    if random.one_in(2) {
        let time = String::from_utf8_lossy(&time_text(draft.time)).into_owned();
        let line = format!(
            "{{\"time\":\"{time}\",\"request\":\"GET / HTTP/1.1\",\"status\":200,\"size\":5}}\n"
        );
        draft.set_whole(Class::Malformed, line);
        return;
    }
    let own = draft.format;
    draft.format = if own == Format::Common { Format::Combined } else { Format::Common };
    let mut line = Vec::new();
    draft.write(&mut line);
    draft.format = own;
    draft.set_whole(Class::Malformed, line);
}

/// A line that was written over the beginning of another: what is left of that makes its host longer.
pub(super) fn overwritten_host(draft: &mut Draft, _: &mut Random) {
    let host = [b"203.0.113.", draft.host.as_slice()].concat();
    draft.set_host(host);
}

/// A line that is cut off and continues with a whole line.
fn glue(draft: &mut Draft, end_of_first: usize, first: &[u8]) {
    let mut line = first[..end_of_first].to_vec();
    draft.write(&mut line);
    draft.set_whole(Class::Malformed, line);
}

pub(super) fn glued_in_request(draft: &mut Draft, random: &mut Random) {
    let mut first = Vec::new();
    let offsets = draft.write_pieces(&mut first);
    glue(draft, offsets.request + random.below(6) as usize, &first);
}

pub(super) fn glued_in_agent(draft: &mut Draft, random: &mut Random) {
    let mut first = Vec::new();
    let offsets = draft.write_pieces(&mut first);
    glue(draft, offsets.agent + random.below(6) as usize, &first);
}

pub(super) fn glued_at_end(draft: &mut Draft, _: &mut Random) {
    draft.after.clear();
    let mut first = Vec::new();
    draft.write_pieces(&mut first);
    glue(draft, first.len(), &first);
}

/// A line that ends in its host, time, request or status.
pub(super) fn torn(draft: &mut Draft, random: &mut Random) {
    let mut line = Vec::new();
    let offsets = draft.write_pieces(&mut line);
    let end = random.pick(&[
        3,
        offsets.time + 4,
        offsets.time + 22,
        offsets.request,
        offsets.request + 5,
        offsets.status,
    ]);
    line.truncate(end + random.below(3) as usize);
    line.push(b'\n');
    draft.set_whole(Class::Malformed, line);
}

pub(super) fn torn_in_agent(draft: &mut Draft, random: &mut Random) {
    let mut line = Vec::new();
    let offsets = draft.write_pieces(&mut line);
    line.truncate(offsets.agent + random.below(6) as usize);
    line.push(b'\n');
    draft.set_whole(Class::Malformed, line);
}
