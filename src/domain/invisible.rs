//! Invisible characters, which names and comments must not contain.
//!
//! People read names and comments in lists, logs and terminals. With invisible characters, two names could
//! look the same, and a mark that changes the direction of writing could make a text look like another one.
//! So these characters are refused everywhere, even where a language uses them, such as the joiner in an
//! emoji or in a Persian word.

/// Ranges of code points, both ends included, lowest first: Unicode's categories Cc, Cf, Zl and Zp, its
/// property `Default_Ignorable_Code_Point` (Unicode 17), and the blank of Braille (U+2800).
const INVISIBLE: [(u32, u32); 28] = [
    (0x0000, 0x001F),
    (0x007F, 0x009F),
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x0001_10BD, 0x0001_10BD),
    (0x0001_10CD, 0x0001_10CD),
    (0x0001_3430, 0x0001_343F),
    (0x0001_BCA0, 0x0001_BCA3),
    (0x0001_D173, 0x0001_D17A),
    (0x000E_0000, 0x000E_0FFF),
];

/// The pattern of a text without control characters, for the OpenAPI document. The other invisible characters
/// are left to the server: a list of them says nothing to a reader, and engines of regular expressions write
/// those beyond U+FFFF in different ways.
pub const NO_CONTROLS_PATTERN: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";
/// The pattern of a text on one or more lines without control characters, except for line feeds and tabs.
pub const NO_CONTROLS_LINES_PATTERN: &str = r"^[^\u0000-\u0008\u000B-\u001F\u007F-\u009F]*$";
/// The pattern of a text with a visible character and without control characters, maybe with white space
/// around it.
pub const NO_CONTROLS_NAME_PATTERN: &str =
    r"^\s*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*\s*$";

/// Reports whether `character` shows nothing, or changes how other characters are shown.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    let code = u32::from(character);
    let at = INVISIBLE.partition_point(|(_, last)| *last < code);
    INVISIBLE.get(at).is_some_and(|(first, _)| *first <= code)
}

/// Returns the first invisible character of `text`.
#[must_use]
pub fn first_invisible(text: &str) -> Option<char> {
    text.chars().find(|character| is_invisible(*character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_joiners_and_controls_are_invisible() {
        for character in [
            '\0',
            '\n',
            '\u{7f}',
            '\u{9f}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fffb}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0020}',
            '\u{e01ef}',
        ] {
            assert!(is_invisible(character), "{character:?}");
        }
    }

    #[test]
    fn letters_marks_spaces_and_symbols_of_all_scripts_are_not() {
        let text = "Team \"A\" – größer, naïve e\u{301}, пример, شركة, דוגמה, हिन्दी, 例え, 한국, 🚀 №1 a\u{a0}b";
        assert_eq!(first_invisible(text), None);
        for character in [
            '\u{ac}',
            '\u{ae}',
            '\u{200a}',
            '\u{2010}',
            '\u{fffd}',
            '\u{e1000}',
        ] {
            assert!(!is_invisible(character), "{character:?}");
        }
    }

    #[test]
    fn the_patterns_exclude_the_control_characters() {
        let [(first, last), (first_c1, last_c1), ..] = INVISIBLE;
        let c1 = format!(r"\u{first_c1:04X}-\u{last_c1:04X}]*");
        let all = format!(r"\u{first:04X}-\u{last:04X}{c1}");
        assert_eq!(NO_CONTROLS_PATTERN, format!("^[^{all}$"));
        assert!(NO_CONTROLS_NAME_PATTERN.contains(&format!("[^{all}")));
        // The characters between the two ranges are tab and line feed.
        assert_eq!(('\t', '\n'), ('\u{9}', '\u{A}'));
        let lines = format!(r"^[^\u{first:04X}-\u0008\u000B-\u{last:04X}{c1}$");
        assert_eq!(NO_CONTROLS_LINES_PATTERN, lines);
    }

    #[test]
    fn the_ranges_are_in_order() {
        assert!(INVISIBLE.iter().all(|(first, last)| first <= last));
        assert!(INVISIBLE.is_sorted_by(|a, b| a.1 < b.0));
    }
}
