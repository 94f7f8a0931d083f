//! Bytes of log lines: numbers, times, and URL encoding.
//!
//! Owns: how values are written. May import: `time`. Must not know: what the values mean.

use crate::time::CivilTime;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Appends a decimal number.
pub(super) fn push_number(output: &mut Vec<u8>, value: u64) {
    output.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a hexadecimal number in lower case without leading zeros.
pub(super) fn push_hex(output: &mut Vec<u8>, value: u16) {
    let digits = [value >> 12, value >> 8 & 15, value >> 4 & 15, value & 15];
    let zeros = digits[..3].iter().take_while(|&&digit| digit == 0).count();
    output.extend(digits[zeros..].iter().map(|&digit| b"0123456789abcdef"[usize::from(digit)]));
}

const fn two_digits(value: u32) -> [u8; 2] {
    [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]
}

/// `05/Mar/2018:14:05:09`; second 60 is written as it is.
pub(super) fn time_text(time: CivilTime) -> [u8; 20] {
    let (year, month, day) = time.day().date();
    let (year, minute) = (year.unsigned_abs(), u32::from(time.minute_of_day()));
    let mut text = *b"00/Mon/0000:00:00:00";
    text[..2].copy_from_slice(&two_digits(day));
    text[3..6].copy_from_slice(MONTHS[month as usize - 1]);
    text[7..9].copy_from_slice(&two_digits(year / 100));
    text[9..11].copy_from_slice(&two_digits(year % 100));
    text[12..14].copy_from_slice(&two_digits(minute / 60));
    text[15..17].copy_from_slice(&two_digits(minute % 60));
    text[18..].copy_from_slice(&two_digits(u32::from(time.second())));
    text
}

/// Appends `text` as an `application/x-www-form-urlencoded` value (WHATWG URL): a blank is `+`, letters, digits and
/// `-._*` stay, every other byte is `%XX`.
pub(super) fn push_encoded(output: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b' ' => output.push(b'+'),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'*' => {
                output.push(byte)
            }
            _ => {
                let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
                output.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}

/// Bytes as every output shows them: those that are not UTF-8 are written as `\xNN`. Not the function of
/// `hitmap::text`, because what judges a program must not share its code.
pub(super) fn written(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The bracketed time and the opening quote of the request, remembered from line to line.
#[derive(Debug)]
pub(super) struct TimeText {
    /// Minutes since 1970 that `text` shows.
    minute: i64,
    text: [u8; 30],
}

impl TimeText {
    pub(super) fn new() -> Self {
        Self { minute: i64::MIN, text: *b"[00/Mon/0000:00:00:00 +0800] \"" }
    }

    /// `[05/Mar/2018:14:05:09 +0800] "`.
    pub(super) fn show(&mut self, seconds: i64) -> &[u8; 30] {
        let minute = seconds.div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.text[1..21].copy_from_slice(&time_text(CivilTime::from_seconds(minute * 60)));
        }
        let second = u32::try_from(seconds.rem_euclid(60)).unwrap_or_default();
        self.text[19..21].copy_from_slice(&two_digits(second));
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::{CivilTime, TimeText, push_encoded, push_hex, time_text, written};
    use crate::time::Day;

    #[test]
    fn times_are_written_as_nginx_does() {
        let leap = CivilTime::new(Day::from_date(2016, 12, 31).unwrap(), 1439, 60);
        assert_eq!(&time_text(leap), b"31/Dec/2016:23:59:60");
        let year_zero = CivilTime::new(Day::from_date(0, 2, 29).unwrap(), 0, 1);
        assert_eq!(&time_text(year_zero), b"29/Feb/0000:00:00:01");
        let mut text = TimeText::new();
        for seconds in [1_520_294_759, 1_520_294_760, 1_520_294_761, 1_520_294_759] {
            let mut expected = b"[".to_vec();
            expected.extend_from_slice(&time_text(CivilTime::from_seconds(seconds)));
            expected.extend_from_slice(b" +0800] \"");
            assert_eq!(text.show(seconds)[..], expected);
        }
    }

    #[test]
    fn values_are_encoded_and_escaped() {
        let mut output = Vec::new();
        push_encoded(&mut output, b"http://a:8888/b c+\xff");
        assert_eq!(output, b"http%3A%2F%2Fa%3A8888%2Fb+c%2B%FF");
        assert_eq!(
            written(b"/caf\xe9/\xc0\xaf\xe4\xb8/\xc3\xbc"),
            "/caf\\xe9/\\xc0\\xaf\\xe4\\xb8/\u{fc}"
        );
        let mut output = Vec::new();
        for value in [0, 0x10, 0xabc, 0xffff] {
            push_hex(&mut output, value);
            output.push(b' ');
        }
        assert_eq!(output, b"0 10 abc ffff ");
    }
}
