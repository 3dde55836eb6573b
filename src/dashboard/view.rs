//! Values as pages show them. All of them are safe as HTML: what a stranger wrote is escaped here.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use askama::filters::HtmlSafe;
use uuid::Uuid;

use super::assets;
use crate::domain::clock::Timestamp;
use crate::domain::event::EventStatus;

/// The URLs of the style, the script and the icon.
pub(super) struct Assets {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
}

impl Assets {
    pub(super) fn new() -> Self {
        Self {
            style: assets::style(),
            script: assets::script(),
            icon: assets::icon(),
        }
    }
}

/// A time, relative to now; the exact time shows on hover. The script keeps the words up to date, and shows the exact
/// time in the viewer's zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    at: Timestamp,
    now: Timestamp,
}

impl Moment {
    pub(super) const fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }
}

impl HtmlSafe for Moment {}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = relative(self.at, self.now);
        write!(
            f,
            "<time datetime=\"{0}\" title=\"{0}\">{words}</time>",
            self.at
        )
    }
}

/// Returns how long ago, or in how long, a time is.
fn relative(at: Timestamp, now: Timestamp) -> String {
    let (past, future) = (now.since(at), at.since(now));
    let seconds = past.max(future).as_secs();
    let length = match seconds {
        0..=1 => return "now".to_owned(),
        2..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    };
    if future.is_zero() {
        format!("{length} ago")
    } else {
        format!("in {length}")
    }
}

/// An id, cut to its last eight characters, with a button that copies all of it. The first characters of ids are a
/// clock, so those of neighbours are alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortId(pub(super) Uuid);

impl HtmlSafe for ShortId {}

impl Display for ShortId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let full = self.0.to_string();
        let short = &full[full.len() - 8..];
        write!(
            f,
            "<span class=\"id\"><code title=\"{full}\">{short}</code>{}</span>",
            Copy::new(&full, "id")
        )
    }
}

/// A button that copies a text. It shows only where there is a script.
pub(super) struct Copy<'a> {
    text: &'a str,
    /// The name of the thing that is copied, for screen readers.
    what: &'a str,
}

impl<'a> Copy<'a> {
    pub(super) const fn new(text: &'a str, what: &'a str) -> Self {
        Self { text, what }
    }
}

impl HtmlSafe for Copy<'_> {}

impl Display for Copy<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<button type=\"button\" class=\"copy\" data-copy=\"{}\" aria-label=\"Copy {}\" hidden></button>",
            Escaped(self.text),
            Escaped(self.what)
        )
    }
}

/// A text, escaped for HTML.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl HtmlSafe for Escaped<'_> {}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['&', '<', '>', '"', '\'']) {
            let last = part.len() - part.chars().next_back().map_or(0, char::len_utf8);
            let (plain, end) = part.split_at(last);
            f.write_str(plain)?;
            f.write_str(match end {
                "&" => "&amp;",
                "<" => "&lt;",
                ">" => "&gt;",
                "\"" => "&quot;",
                "'" => "&#39;",
                other => other,
            })?;
        }
        Ok(())
    }
}

/// A whole number, with thin spaces between groups of three digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u64);

impl HtmlSafe for Count {}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_str("\u{202f}")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A number of bytes, in the unit that suits it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes(pub(super) u64);

impl HtmlSafe for Bytes {}

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if self.0 < 1000 {
            return write!(f, "{}\u{202f}B", self.0);
        }
        let mut tenths = self.0 / 100;
        let mut unit = 0;
        while tenths >= 10_000 && unit + 1 < UNITS.len() {
            tenths /= 1000;
            unit += 1;
        }
        if tenths >= 1000 {
            write!(f, "{}\u{202f}{}", tenths / 10, UNITS[unit])
        } else {
            write!(f, "{}.{}\u{202f}{}", tenths / 10, tenths % 10, UNITS[unit])
        }
    }
}

/// A duration in milliseconds, in the unit that suits it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Millis(pub(super) u64);

impl HtmlSafe for Millis {}

impl Display for Millis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1000 => write!(f, "{}\u{202f}ms", self.0),
            1000..10_000 => write!(f, "{}.{}\u{202f}s", self.0 / 1000, self.0 % 1000 / 100),
            _ => write!(f, "{}\u{202f}s", self.0 / 1000),
        }
    }
}

/// Returns the part of attempts that succeeded, in percent; a dash if there were none. It is 100 % only if all did.
pub(super) fn rate(succeeded: u64, failed: u64) -> String {
    let all = u128::from(succeeded) + u128::from(failed);
    if all == 0 {
        return "–".to_owned();
    }
    let tenths = u128::from(succeeded) * 1000 / all;
    if tenths == 1000 || tenths == 0 {
        return format!("{}\u{202f}%", tenths / 10);
    }
    format!("{}.{}\u{202f}%", tenths / 10, tenths % 10)
}

/// A length of time in words, such as `90 d` or `12 h`.
pub(super) fn period(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A state, as a coloured mark with its word beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Badge {
    /// The class of its colour and shape: `good`, `bad`, `waiting` or `off`.
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

impl Badge {
    /// Returns the mark of an event's status.
    pub(super) const fn of_status(status: EventStatus) -> Self {
        let kind = match status {
            EventStatus::Succeeded => "good",
            EventStatus::Failed => "bad",
            EventStatus::Pending => "waiting",
            EventStatus::Skipped => "off",
        };
        Self {
            kind,
            text: status.as_str(),
        }
    }
}

impl HtmlSafe for Badge {}

impl Display for Badge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<span class=\"badge {}\">{}</span>",
            self.kind, self.text
        )
    }
}

/// A status code, or the reason why there was none.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) succeeded: bool,
    pub(super) text: String,
}

impl Outcome {
    pub(super) fn new(
        succeeded: bool,
        http_code: Option<u16>,
        failure: Option<&'static str>,
    ) -> Self {
        let text = match (http_code, failure) {
            (Some(code), _) => code.to_string(),
            (None, Some("connect")) => "no connection".to_owned(),
            (None, Some(failure)) => failure.replace('_', " "),
            (None, None) => "no answer".to_owned(),
        };
        Self { succeeded, text }
    }
}

impl HtmlSafe for Outcome {}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = if self.succeeded { "good" } else { "bad" };
        write!(
            f,
            "<span class=\"badge {kind}\">{}</span>",
            Escaped(&self.text)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative() {
        let now = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        let ago = |seconds| relative(now.before(Duration::from_secs(seconds)), now);
        assert_eq!(ago(0), "now");
        assert_eq!(ago(59), "59 s ago");
        assert_eq!(ago(3599), "59 min ago");
        assert_eq!(ago(3600), "1 h ago");
        assert_eq!(ago(172_799), "47 h ago");
        assert_eq!(ago(172_800), "2 d ago");
        assert_eq!(
            relative(now.after(Duration::from_secs(90)), now),
            "in 1 min"
        );
    }

    #[test]
    fn numbers_have_groups_and_units() {
        assert_eq!(Count(0).to_string(), "0");
        assert_eq!(Count(999).to_string(), "999");
        assert_eq!(Count(1000).to_string(), "1\u{202f}000");
        assert_eq!(Count(1_234_567).to_string(), "1\u{202f}234\u{202f}567");
        assert_eq!(Bytes(999).to_string(), "999\u{202f}B");
        assert_eq!(Bytes(1_550).to_string(), "1.5\u{202f}kB");
        assert_eq!(Bytes(6_900_000_000).to_string(), "6.9\u{202f}GB");
        assert_eq!(Bytes(250_000_000).to_string(), "250\u{202f}MB");
        assert_eq!(Millis(7).to_string(), "7\u{202f}ms");
        assert_eq!(Millis(1_250).to_string(), "1.2\u{202f}s");
    }

    #[test]
    fn markup_is_escaped() {
        let text = "a<b>&\"'é";
        assert_eq!(Escaped(text).to_string(), "a&lt;b&gt;&amp;&quot;&#39;é");
        assert!(
            !Copy::new("\" onclick=\"x", "id")
                .to_string()
                .contains("\" onclick")
        );
    }
}
