//! Variable-length integers: 7 bits a byte, the lowest first; the top bit is set in all bytes but the last (LEB128).
//!
//! Owns: the variable-length integer of all saved formats. May import: std. Must not know: what is saved.

/// Appends `value` as 1 to 10 bytes.
#[inline]
pub(crate) fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Takes an integer off the front of `bytes`; `None` if it is cut off, exceeds 64 bits or is longer than it need be.
#[inline]
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    if first < 0x80 { Some(u64::from(first)) } else { take_rest(bytes, u64::from(first & 0x7f)) }
}

/// As [`take`], without a branch between one byte and two: faster where both are frequent.
#[inline]
pub(crate) fn take_short(bytes: &mut &[u8]) -> Option<u64> {
    let Some((&[first, second], _)) = bytes.split_first_chunk() else { return take(bytes) };
    let more = first >> 7;
    if more & u8::from(second.wrapping_sub(1) >= 0x7f) != 0 {
        return take(bytes);
    }
    *bytes = &bytes[1 + usize::from(more)..];
    Some(u64::from(first & 0x7f) | u64::from(second * more) << 7)
}

fn take_rest(bytes: &mut &[u8], mut value: u64) -> Option<u64> {
    for shift in (7..70).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return (byte > 0).then_some(value);
        }
    }
    None
}

/// As [`take`], also `None` if the integer does not fit a `usize`.
pub(crate) fn take_usize(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(take(bytes)?).ok()
}

/// Takes `length` bytes off the front of `bytes`; `None` if there are fewer.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::{put, take, take_bytes, take_short};

    #[test]
    fn integers_come_back() {
        let values =
            (0..64).flat_map(|shift| [(1_u64 << shift) - 1, 1 << shift, u64::MAX >> shift]);
        for value in values {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(bytes.len(), (64 - value.leading_zeros()).div_ceil(7).max(1) as usize);
            for end in 0..bytes.len() {
                assert_eq!(take(&mut &bytes[..end]), None);
            }
            bytes.push(7);
            for take in [take, take_short] {
                let mut rest = &bytes[..];
                assert_eq!((take(&mut rest), rest), (Some(value), &[7][..]));
            }
            assert_eq!(take_short(&mut &bytes[..bytes.len() - 1]), Some(value));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(take(&mut &[0xff; 11][..]), None);
        let mut ten = [0xff; 10];
        ten[9] = 2;
        assert_eq!(take(&mut &ten[..]), None);
        // Zero in two bytes: a number has one form, so that equal content is equal bytes.
        assert_eq!(take(&mut &[0x80, 0][..]), None);
        assert_eq!(take_short(&mut &[0x80, 0][..]), None);
        assert_eq!(take_short(&mut &[0x80, 0, 5][..]), None);
        assert_eq!((take_short(&mut &[0x80][..]), take_short(&mut &[][..])), (None, None));
        assert_eq!(take_bytes(&mut &[1, 2][..], 3), None);
    }
}
