//! Sizes of files as people read them.

/// Bytes of a megabyte.
const MEGABYTE: u64 = 1_000_000;

/// Returns whole megabytes, rounded up.
pub(super) fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(MEGABYTE)
}

/// Returns a size in kB, MB or GB, with one digit after the point.
pub(super) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..MEGABYTE => (1000, "kB"),
        MEGABYTE..1_000_000_000 => (MEGABYTE, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    let tenths = bytes / (unit / 10);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0.0 kB"),
            (4096, "4.0 kB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (8_256_000_000, "8.2 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!([0, 1, 1_000_000, 1_000_001].map(megabytes), [0, 1, 1, 2]);
    }
}
