//! Sizes as people type them.
//!
//! Owns: [`parse_size`]. May import: std. Must not know: what a size is for.

/// Bytes from text such as `4096`, `512MiB`, `10GB` or `1.2G`.
///
/// `K`, `M`, `G`, `T` and `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024; `KB`, `MB`, `GB`, `TB` are powers of 1000;
/// `B` or nothing is a byte. Case does not matter. A blank before the unit and a decimal fraction are allowed; the result
/// is rounded down to whole bytes.
///
/// # Errors
/// A sentence that says what is wrong.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = trimmed.split_at(digits);
    let unit_bytes: u128 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => {
            return Err(format!(
                "{text:?} is not a size; write a number and K, M, G, KB, MB, GB, KiB, MiB or GiB"
            ));
        }
    };
    let not_a_number =
        || format!("{text:?} is not a size; it must begin with a number, as in 512MiB or 1.5GB");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return Err(not_a_number());
    }
    let too_large = || format!("{text:?} is more bytes than 64 bits can count");
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    // 18 digits are more than any unit needs, and fit.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or_default());
    let fraction: u64 =
        if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| not_a_number())? };
    let bytes = u128::from(whole) * unit_bytes + u128::from(fraction) * unit_bytes / scale;
    u64::try_from(bytes).map_err(|_| too_large())
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn units_are_powers_of_1024_or_1000() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("12b", 12),
            ("1k", 1024),
            ("1KiB", 1024),
            ("1KB", 1000),
            (" 512 MiB ", 512 << 20),
            ("512mb", 512_000_000),
            ("10GB", 10_000_000_000),
            ("1.2G", 1_288_490_188),
            ("1.5GB", 1_500_000_000),
            ("0.001K", 1),
            ("2T", 2 << 40),
            ("1.0000000000000000000000001K", 1024),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "G",
            ".5G",
            "1.G",
            "1..2G",
            "-1",
            "1 X",
            "1GBs",
            "0x10",
            "1e9",
            "18446744073709551616",
            "99999999T",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
