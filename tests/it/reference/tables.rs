//! The reader of API.md: its sections, tables, and words in backquotes.

const API: &str = include_str!("../../../docs/API.md");

/// Returns the text of a section, without its heading, up to the next heading of the same or a higher level.
pub(super) fn section(title: &str) -> &'static str {
    let heading = |line: &str| {
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        (level > 1 && line[level..].trim() == title).then_some(level)
    };
    let (mut at, mut found) = (0, None);
    for line in API.split_inclusive('\n') {
        let end = at + line.len();
        match found {
            None => found = heading(line).map(|level| (level, end)),
            Some((level, start)) => {
                let own = line.bytes().take_while(|byte| *byte == b'#').count();
                // A `# ` in a block of code is a comment.
                if own > 1 && own <= level {
                    return &API[start..at];
                }
            }
        }
        at = end;
    }
    let (_, start) = found.unwrap_or_else(|| panic!("no section {title}"));
    &API[start..]
}

/// Returns the rows of the table in `text` whose first head is `head`, without the heads.
pub(super) fn table(text: &'static str, head: &str) -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| {
        let inner = line.trim().trim_start_matches('|');
        let inner = inner.strip_suffix('|').unwrap_or(inner);
        inner.split('|').map(str::trim).collect::<Vec<_>>()
    };
    let mut lines = text.lines();
    loop {
        let line = lines.next().unwrap_or_else(|| panic!("no table of {head}"));
        if line.starts_with('|') && cells(line)[0] == head {
            break;
        }
    }
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "{head}");
    rows
}

/// Returns the words in backquotes.
pub(super) fn code(text: &'static str) -> Vec<&'static str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Returns the words in double quotes.
pub(super) fn quoted(text: &'static str) -> Vec<&'static str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// Returns what is between two texts, the first time that they come.
pub(super) fn between(text: &'static str, before: &str, after: &str) -> &'static str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("{before} is missing"));
    rest.split_once(after).unwrap().0
}

/// Asserts that a section has a sentence, however its lines are broken.
#[track_caller]
pub(super) fn assert_says(title: &str, sentence: &str) {
    let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = spaced(section(title));
    assert!(
        text.contains(&spaced(sentence)),
        "the section {title} does not say: {sentence}"
    );
}
