//! A beacon's arguments: decoded as plainly as the rule reads, and back from every way of writing them.

#![no_main]

use hitmap::parse::fuzzing::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(decode(bytes), decode_naively(bytes));
    assert_eq!(decode(&encode(bytes)).as_deref(), Some(bytes));
});

fn decode_naively(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut text = text.iter().map(|&byte| char::from(byte));
    while let Some(character) = text.next() {
        decoded.push(match character {
            '%' => text.next()?.to_digit(16)? * 16 + text.next()?.to_digit(16)?,
            '+' => u32::from(b' '),
            _ => u32::from(character),
        });
    }
    Some(decoded.into_iter().map(|byte| u8::try_from(byte).expect("a byte")).collect())
}

/// Writes blanks as `+`, what must be escaped as `%XX`, every third byte as `%xx`, and the rest as it is.
fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            _ if index % 3 == 2 => text.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            b' ' => text.push(b'+'),
            b'%' | b'+' => text.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            _ => text.push(*byte),
        }
    }
    text
}
