//! The numbers that `grep -n` puts in front of lines, where they run into an address of IPv6: `17:fe80::1`.
//!
//! Owns: [`LineNumber`], what one line says; [`LineNumbers`], what many say. May import: `wrapping` (addresses). Must not
//! know: the grammar of lines, what follows from it.
//!
//! Such a text is a correct address as well. Most first groups belong to no client, so that the number gives itself away:
//! only 2410, 2001 and the like need the other lines.

use std::net::IpAddr;

use super::wrapping::{address, is_number};

/// What `NUMBER:ADDRESS` is that can be read as one address, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineNumber {
    /// A line's number and an address: no client has the one address.
    Certain,
    /// Either: a client can have the one address as well as the other.
    Possible(u64),
}

impl LineNumber {
    /// The number in front of a host; `None` where only one reading makes sense without it.
    pub(super) fn of(host: &[u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', host)?;
        let (number, behind) = (&host[..colon], &host[colon + 1..]);
        if !is_number(number) {
            return None;
        }
        let (whole, behind) = (address(host)?, address(behind)?);
        if !can_be_client(whole) {
            return Some(Self::Certain);
        }
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        can_be_client(behind).then_some(Self::Possible(number))
    }
}

/// Whether a client can have an address: of IPv6, one that registries hand out, a private one, or one of the two special
/// ranges that begin with decimal digits, NAT64 and the discard prefix (IANA's registries "IPv6 Global Unicast Address
/// Assignments" and "IPv6 Special-Purpose Address Space").
fn can_be_client(address: IpAddr) -> bool {
    let IpAddr::V6(address) = address else { return true };
    match address.segments() {
        [0x64, 0xff9b, ..] | [0x100, 0, 0, 0, ..] => true,
        // Assigned are 2400 to 241f, for example; more of 24xx may be.
        [first, ..] => matches!(
            first,
            0x2001..=0x2003
                | 0x2400..=0x24ff
                | 0x2600..=0x26ff
                | 0x2800..=0x28ff
                | 0x2a00..=0x2aff
                | 0x2c00..=0x2cff
                | 0xfc00..=0xfdff
                | 0xfe80..=0xfebf
        ),
    }
}

/// The [possible](LineNumber::Possible) numbers of many lines.
#[derive(Clone, Debug, Default)]
pub(super) struct LineNumbers<'s> {
    lines: u64,
    last: u64,
    /// The file that `grep` names in front of the last line, if any.
    file: &'s [u8],
    /// Whether a number is not larger than the one before it, of the same file.
    do_descend: bool,
    are_different: bool,
}

impl<'s> LineNumbers<'s> {
    /// Takes the number of the next line of `file`.
    pub(super) fn add(&mut self, number: u64, file: &'s [u8]) {
        if self.lines > 0 {
            self.are_different |= number != self.last;
            self.do_descend |= number <= self.last && file == self.file;
        }
        self.lines += 1;
        self.last = number;
        self.file = file;
    }

    /// Takes the numbers of other lines of the same log.
    pub(super) fn join(&mut self, other: Self) {
        let Self { lines, last, file: _, do_descend, are_different } = other;
        self.are_different |= are_different || self.lines > 0 && lines > 0 && last != self.last;
        self.do_descend |= do_descend;
        self.lines += lines;
    }

    /// Whether all of `lines` lines have a number, as behind `grep -n`.
    pub(super) fn are_on_all(&self, lines: u64) -> bool {
        self.lines == lines && !self.do_descend
    }

    /// Whether it matters if they are numbers: in front of all addresses the same text tells the same visitors apart.
    pub(super) fn are_different(&self) -> bool {
        self.are_different
    }
}

#[cfg(test)]
mod tests {
    use super::{LineNumber, LineNumbers};

    #[test]
    fn numbers_in_front_of_addresses() {
        use LineNumber::{Certain, Possible};
        for (host, expected) in [
            ("1:fe80::1", Some(Certain)),
            ("18:fe80::1%eth0", Some(Certain)),
            ("17:2001:db8::1", Some(Certain)),
            ("2004:2001:db8::1", Some(Certain)),
            ("9999:fd00::1", Some(Certain)),
            ("64:2001:db8::1", Some(Certain)),
            ("100:2001:db8::1", Some(Certain)),
            ("2001:2001:db8::1", Some(Possible(2001))),
            ("2410:fe80::1", Some(Possible(2410))),
            ("2699:fd00::1", Some(Possible(2699))),
            ("2001:2003:f0::1", Some(Possible(2001))),
            // Nobody has the address behind the first colon.
            ("2001:db8::1", None),
            ("2400:cb00::1", None),
            ("2606:4700::1111", None),
            ("2001:4860:4860::8888", None),
            ("2620:fe::fe", None),
            ("64:ff9b::1.2.3.4", None),
            ("100::1", None),
            // It is none.
            ("::1", None),
            ("::ffff:1.2.3.4", None),
            ("2003:1:2:3:4:5:6:7", None),
            // There is no other reading.
            ("17:2001:1:2:3:4:5:6:7", None),
            ("17:1.2.3.4", None),
            ("17:::1", None),
            ("17:host", None),
            ("2a02:2001::1", None),
            ("fe80::1", None),
            ("1.2.3.4", None),
            ("host", None),
            ("", None),
        ] {
            assert_eq!(LineNumber::of(host.as_bytes()), expected, "{host}");
        }
    }

    #[test]
    fn numbers_of_many_lines() {
        for (numbers, are_on_all, are_different) in [
            (&[(2401, "")][..], true, false),
            (&[(2401, ""), (2402, ""), (2600, "")], true, true),
            (&[(2401, ""), (2402, ""), (2402, "")], false, true),
            (&[(2401, ""), (2001, "")], false, true),
            (&[(2401, "a"), (2402, "a"), (2001, "b"), (2400, "b")], true, true),
            (&[(2401, "a"), (2401, "b")], true, false),
        ] {
            let mut found = LineNumbers::default();
            numbers.iter().for_each(|&(number, file)| found.add(number, file.as_bytes()));
            assert_eq!(found.are_on_all(numbers.len() as u64), are_on_all, "{numbers:?}");
            assert!(!found.are_on_all(numbers.len() as u64 + 1), "{numbers:?}");
            assert_eq!(found.are_different(), are_different, "{numbers:?}");
        }
    }
}
