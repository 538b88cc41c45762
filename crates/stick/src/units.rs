//! Sizes: constants, and as text.

/// Bytes of a MiB.
pub const MIB: u64 = 1 << 20;

/// `bytes` in decimal units, as on a stick's packaging: `16.0 GB`.
pub fn decimal_size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

/// `bytes` in binary units, as file managers show a file: `1.8 GiB`.
pub fn binary_size(bytes: u64) -> String {
    const UNITS: &[&str] = &["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_sizes_match_the_packaging() {
        assert_eq!(decimal_size(16_008_609_792), "16.0 GB");
        assert_eq!(decimal_size(9_870_000_000), "9.8 GB");
        assert_eq!(decimal_size(512_753_664), "512 MB");
    }

    #[test]
    fn binary_sizes_have_one_digit_after_the_point() {
        assert_eq!(binary_size(0), "0 bytes");
        assert_eq!(binary_size(1023), "1023 bytes");
        assert_eq!(binary_size(3 << 29), "1.5 GiB");
    }
}
