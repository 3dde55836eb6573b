//! The reason why a text is not a UUID, in [upstream's](super) words, on which clients match. The `uuid`
//! crate has other words, and changes them between versions.

/// The lengths of the groups of a hyphenated UUID (RFC 9562, section 4).
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Returns the reason why `text`, which the parser refused, is not a UUID.
pub(super) fn why_not(text: &str) -> String {
    let braced = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    let (digits, offset) = match (braced, text.strip_prefix("urn:uuid:")) {
        (Some(inner), _) => (inner, 1),
        (None, Some(rest)) => (rest, "urn:uuid:".len()),
        (None, None) => (text, 0),
    };
    let foreign = |&(_, c): &(usize, char)| !c.is_ascii_hexdigit() && c != '-';
    if let Some((at, found)) = digits.char_indices().find(foreign) {
        return format!(
            "invalid character: expected an optional prefix of `urn:uuid:` followed by \
             [0-9a-fA-F-], found `{found}` at {}",
            at + offset + 1
        );
    }
    let groups = digits.split('-').count();
    if groups == 1 {
        return format!(
            "invalid length: expected length 32 for simple format, found {}",
            text.len()
        );
    }
    if groups != GROUPS.len() {
        return format!("invalid group count: expected 5, found {groups}");
    }
    let mut lengths = digits.split('-').map(str::len).zip(GROUPS).enumerate();
    match lengths.find(|(_, (found, expected))| found != expected) {
        Some((group, (found, expected))) => {
            format!("invalid group length in group {group}: expected {expected}, found {found}")
        }
        None => "invalid format".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_invalid_uuid_has_its_reason() {
        let odd = "invalid character: expected an optional prefix of `urn:uuid:` followed by \
                   [0-9a-fA-F-], found";
        for (text, expected) in [
            (
                "abc",
                "invalid length: expected length 32 for simple format, found 3".to_owned(),
            ),
            (
                "",
                "invalid length: expected length 32 for simple format, found 0".to_owned(),
            ),
            ("xyz", format!("{odd} `x` at 1")),
            ("{0z}", format!("{odd} `z` at 3")),
            ("0é", format!("{odd} `é` at 2")),
            ("a-b", "invalid group count: expected 5, found 2".to_owned()),
            (
                "2f1e0c9a-5b6d-4c3e-8a7b-0123456789abc",
                "invalid group length in group 4: expected 12, found 13".to_owned(),
            ),
            (
                "2f1e0c9-5b6d-4c3e-8a7b-0123456789abc",
                "invalid group length in group 0: expected 8, found 7".to_owned(),
            ),
        ] {
            assert!(uuid::Uuid::parse_str(text).is_err());
            assert_eq!(why_not(text), expected, "{text}");
        }
    }
}
