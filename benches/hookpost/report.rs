//! The figures, their targets, and the table of both.

use std::fmt;

/// Latencies in microseconds.
#[derive(Default)]
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn push(&mut self, us: u64) {
        self.0.push(us);
    }

    pub(crate) fn add(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The latency that `part` (0 to 1) of them do not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&mut self, part: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        self.0.get(at).map_or(f64::NAN, |us| *us as f64 / 1000.0)
    }
}

/// The target of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// The figure is for information.
    None,
}

struct Row {
    section: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    target: Target,
}

impl Row {
    fn verdict(&self) -> &'static str {
        match self.target {
            Target::None => "",
            Target::AtLeast(least) if self.value >= least => "met",
            Target::AtMost(most) if self.value <= most => "met",
            Target::AtLeast(_) | Target::AtMost(_) => "**short**",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match self.target {
            Target::AtLeast(least) => format!("≥ {}", with_unit(least, self.unit)),
            Target::AtMost(most) => format!("≤ {}", with_unit(most, self.unit)),
            Target::None => String::new(),
        };
        write!(
            f,
            "| {} | {} | {} | {target} | {} |",
            self.section,
            self.what,
            with_unit(self.value, self.unit),
            self.verdict()
        )
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    let space = if unit.is_empty() { "" } else { " " };
    format!("{}{space}{unit}", shown(value))
}

/// Three digits, or all before the point.
fn shown(value: f64) -> String {
    if !value.is_finite() {
        "none".to_owned()
    } else if value.abs() >= 100.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else if value.fract() == 0.0 {
        format!("{value}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// The limits of this machine, which other sections relate to.
#[derive(Clone, Copy)]
pub(crate) struct RawLimits {
    pub(crate) client_per_second: f64,
    pub(crate) messages_per_second: f64,
    /// The processor time, in microseconds, of the parts of an event's way alone: a request, its rows, an attempt.
    pub(crate) parts_us: f64,
}

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    section: &'static str,
    pub(crate) raw: Option<RawLimits>,
}

impl Report {
    pub(crate) fn section(&mut self, name: &'static str) {
        self.section = name;
    }

    /// Adds a figure, and shows it at once: a run is long.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        let row = Row {
            section: self.section,
            what: what.into(),
            value,
            unit,
            target,
        };
        println!("{row}");
        self.rows.push(row);
    }

    /// Median and 99th percentile, for information.
    pub(crate) fn latencies(&mut self, what: &str, latencies: &mut Latencies) {
        for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
            let value = latencies.quantile_ms(part);
            self.note(format!("{what}, {name}"), value, "ms");
        }
    }

    /// A figure for information.
    pub(crate) fn note(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.add(what, value, unit, Target::None);
    }

    pub(crate) fn table(&self) -> String {
        let mut text =
            String::from("| section | what | measured | target | |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            text.push_str(&row.to_string());
            text.push('\n');
        }
        text
    }
}
