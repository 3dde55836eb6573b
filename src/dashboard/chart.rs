//! Charts as SVG, drawn on the server.
//!
//! A chart is two drawings over the same time: bars of attempts (succeeded below, failed on top, and a line for
//! those that were retries), and lines of their durations (half of the attempts, and 99 of 100). The sizes are those
//! of the drawing; the page scales it.

use std::fmt::{self, Display, Formatter, Write as _};

use askama::filters::HtmlSafe;

use super::view::{Count, Millis};
use crate::domain::chart::{Chart, ChartBucket, ChartRange};
use crate::domain::clock::Timestamp;

/// The width of a drawing.
const WIDTH: f64 = 600.0;

/// The height of a drawing.
const HEIGHT: f64 = 180.0;

/// The room on the left for the scale.
const LEFT: f64 = 54.0;

/// The room above for the highest mark of the scale.
const TOP: f64 = 10.0;

/// The room below for the times.
const BOTTOM: f64 = 20.0;

/// The number of times below a drawing.
const TIMES: usize = 6;

/// A drawing of the attempts of a chart.
pub(super) struct AttemptsChart<'a>(pub(super) &'a Chart);

/// A drawing of the durations of the attempts of a chart.
pub(super) struct LatencyChart<'a>(pub(super) &'a Chart);

impl HtmlSafe for AttemptsChart<'_> {}
impl HtmlSafe for LatencyChart<'_> {}

impl Display for AttemptsChart<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let chart = self.0;
        let most = chart
            .buckets
            .iter()
            .map(|bucket| bucket.succeeded + bucket.failed)
            .max();
        let scale = Scale::new(most.unwrap_or(0).max(1), &chart.buckets);
        begin(f, &attempts_in_words(chart))?;
        scale.draw(f, |value| Count(value).to_string())?;
        let step = scale.step();
        let width = (step * 0.78).max(1.0);
        for (place, bucket) in chart.buckets.iter().enumerate() {
            let x = scale.x(place) - width / 2.0;
            let (ok, all) = (bucket.succeeded, bucket.succeeded + bucket.failed);
            bar(f, "ok", x, width, scale.y(0), scale.y(ok))?;
            bar(f, "no", x, width, scale.y(ok), scale.y(all))?;
        }
        if chart.total.retried > 0 {
            scale.line(f, "retried", |bucket| Some(bucket.retried))?;
        }
        times(f, chart, &scale)?;
        hits(f, chart, &scale, |bucket| {
            let (ok, failed) = (Count(bucket.succeeded), Count(bucket.failed));
            format!(
                "{ok} succeeded, {failed} failed, {} were retries",
                Count(bucket.retried)
            )
        })?;
        f.write_str("</svg>")
    }
}

impl Display for LatencyChart<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let chart = self.0;
        let most = chart
            .buckets
            .iter()
            .filter_map(|bucket| bucket.p99_ms)
            .max();
        let scale = Scale::new(u64::from(most.unwrap_or(1)).max(1), &chart.buckets);
        begin(f, &latency_in_words(chart))?;
        scale.draw(f, |value| Millis(value).to_string())?;
        scale.line(f, "p99", |bucket| bucket.p99_ms.map(u64::from))?;
        scale.line(f, "p50", |bucket| bucket.p50_ms.map(u64::from))?;
        times(f, chart, &scale)?;
        hits(f, chart, &scale, |bucket| {
            match (bucket.p50_ms, bucket.p99_ms) {
                (Some(half), Some(most)) => {
                    format!("p50 {}, p99 {}", Millis(half.into()), Millis(most.into()))
                }
                _ => "no attempts".to_owned(),
            }
        })?;
        f.write_str("</svg>")
    }
}

fn begin(f: &mut Formatter<'_>, words: &str) -> fmt::Result {
    write!(
        f,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{words}\">"
    )
}

fn attempts_in_words(chart: &Chart) -> String {
    let total = &chart.total;
    format!(
        "Attempts in the last {}: {} succeeded, {} failed, {} were retries",
        range_in_words(chart.range),
        total.succeeded,
        total.failed,
        total.retried
    )
}

fn latency_in_words(chart: &Chart) -> String {
    match (chart.total.p50_ms, chart.total.p99_ms) {
        (Some(half), Some(most)) => format!(
            "Duration of attempts in the last {}: half took at most {half} ms, 99 of 100 at most {most} ms",
            range_in_words(chart.range)
        ),
        _ => format!("No attempts in the last {}", range_in_words(chart.range)),
    }
}

/// Returns the time that a chart shows, in words.
pub(super) const fn range_in_words(range: ChartRange) -> &'static str {
    match range {
        ChartRange::Hour => "hour",
        ChartRange::Day => "24 hours",
        ChartRange::Week => "7 days",
        ChartRange::Month => "30 days",
    }
}

/// Returns the time that one bar stands for, in words.
pub(super) const fn bucket_in_words(range: ChartRange) -> &'static str {
    match range {
        ChartRange::Hour => "minute",
        ChartRange::Day => "15 minutes",
        ChartRange::Week => "2 hours",
        ChartRange::Month => "8 hours",
    }
}

/// The places of values and buckets in a drawing.
struct Scale<'a> {
    buckets: &'a [ChartBucket],
    /// The value at the upper end.
    top: u64,
}

impl<'a> Scale<'a> {
    fn new(most: u64, buckets: &'a [ChartBucket]) -> Self {
        Self {
            buckets,
            top: round_up(most),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a drawing has a few hundred points"
    )]
    fn y(&self, value: u64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height - height * (value as f64 / self.top as f64)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "there are at most a hundred buckets"
    )]
    fn step(&self) -> f64 {
        (WIDTH - LEFT) / self.buckets.len().max(1) as f64
    }

    /// Returns the middle of a bucket.
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are at most a hundred buckets"
    )]
    fn x(&self, place: usize) -> f64 {
        LEFT + self.step() * (place as f64 + 0.5)
    }

    fn draw(&self, f: &mut Formatter<'_>, label: impl Fn(u64) -> String) -> fmt::Result {
        let half = self.top.is_multiple_of(2).then_some(self.top / 2);
        for value in [Some(0), half, Some(self.top)].into_iter().flatten() {
            let y = self.y(value);
            write!(
                f,
                "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            )?;
            let (x, y) = (LEFT - 8.0, y + 4.0);
            let text = label(value);
            write!(
                f,
                "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{text}</text>"
            )?;
        }
        Ok(())
    }

    /// Draws a line through the buckets that have a value; one that has no neighbour is a dot.
    fn line(
        &self,
        f: &mut Formatter<'_>,
        class: &str,
        value: impl Fn(&ChartBucket) -> Option<u64>,
    ) -> fmt::Result {
        let points: Vec<_> = self
            .buckets
            .iter()
            .enumerate()
            .map(|(place, bucket)| Some((self.x(place), self.y(value(bucket)?))))
            .collect();
        let mut path = String::new();
        let mut dots = String::new();
        for piece in points.split(Option::is_none) {
            for (place, (x, y)) in piece.iter().flatten().enumerate() {
                let command = if place == 0 { 'M' } else { 'L' };
                write!(path, "{command}{x:.1} {y:.1}")?;
            }
            if let [Some((x, y))] = piece {
                write!(
                    dots,
                    "<circle class=\"dot-{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>"
                )?;
            }
        }
        write!(f, "<path class=\"{class}\" d=\"{path}\"/>{dots}")
    }
}

/// Returns the least value of the form 1, 2, 4, 6 or 10 times a power of ten that is not less than `most`.
fn round_up(most: u64) -> u64 {
    let mut power = 1;
    loop {
        for factor in [1_u64, 2, 4, 6, 10] {
            let value = factor.saturating_mul(power);
            if value >= most {
                return value;
            }
        }
        power = u64::saturating_mul(power, 10);
    }
}

fn bar(f: &mut Formatter<'_>, class: &str, x: f64, width: f64, from: f64, to: f64) -> fmt::Result {
    let height = from - to;
    if height <= 0.0 {
        return Ok(());
    }
    // A single failure among thousands of attempts is still seen.
    let height = height.max(1.5);
    let y = from - height;
    write!(
        f,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
    )
}

/// Writes the times below a drawing.
fn times(f: &mut Formatter<'_>, chart: &Chart, scale: &Scale<'_>) -> fmt::Result {
    let every = chart.buckets.len().div_ceil(TIMES).max(1);
    for place in (0..chart.buckets.len()).step_by(every) {
        let x = scale.x(place) - scale.step() / 2.0;
        let y = HEIGHT - 5.0;
        let text = short_time(bucket_start(chart, place), chart.range);
        write!(f, "<text x=\"{x:.1}\" y=\"{y}\">{text}</text>")?;
    }
    Ok(())
}

/// Writes the areas of the buckets, whose values show on hover.
fn hits(
    f: &mut Formatter<'_>,
    chart: &Chart,
    scale: &Scale<'_>,
    words: impl Fn(&ChartBucket) -> String,
) -> fmt::Result {
    let (step, height) = (scale.step(), HEIGHT - BOTTOM);
    for (place, bucket) in chart.buckets.iter().enumerate() {
        if bucket.succeeded + bucket.failed == 0 {
            continue;
        }
        let x = scale.x(place) - step / 2.0;
        let time = short_time(bucket_start(chart, place), chart.range);
        write!(
            f,
            "<rect class=\"hit\" x=\"{x:.1}\" y=\"0\" width=\"{step:.1}\" height=\"{height}\" fill-opacity=\".4\"><title>{time} UTC: {}</title></rect>",
            words(bucket)
        )?;
    }
    Ok(())
}

fn bucket_start(chart: &Chart, place: usize) -> Timestamp {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    chart
        .start
        .after(chart.range.bucket().saturating_mul(place))
}

/// Returns a time as short as the range allows, in UTC.
fn short_time(at: Timestamp, range: ChartRange) -> String {
    let text = at.to_string(); // 2026-03-01T12:00:00…
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    match range {
        ChartRange::Hour | ChartRange::Day => part(11, 16).to_owned(),
        ChartRange::Week => format!("{} {}", part(5, 10), part(11, 16)),
        ChartRange::Month => part(5, 10).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chart::{AttemptCounts, ChartSum, ChartedAttempt};

    fn chart(range: ChartRange) -> Chart {
        let now = Timestamp::parse("2026-03-01T12:34:56Z").unwrap();
        let mut sum = ChartSum::new(range, now);
        for (place, ok) in [(0, true), (3, true), (3, false), (4, true)] {
            let mut counts = AttemptCounts::default();
            counts.record(ChartedAttempt {
                succeeded: ok,
                is_retry: place == 4,
                duration_ms: Some(20),
            });
            let at = sum.start().after(range.bucket() * place);
            sum.add(at, &counts);
        }
        sum.finish()
    }

    #[test]
    fn a_chart_says_in_words_what_it_shows() {
        let chart = chart(ChartRange::Day);
        let drawn = AttemptsChart(&chart).to_string();
        assert!(drawn.contains(
            "aria-label=\"Attempts in the last 24 hours: 3 succeeded, 1 failed, 1 were retries\""
        ));
        assert_eq!(drawn.matches("class=\"ok\"").count(), 3);
        assert_eq!(drawn.matches("class=\"no\"").count(), 1);
        assert_eq!(drawn.matches("class=\"hit\"").count(), 3);
        let latency = LatencyChart(&chart).to_string();
        assert!(latency.contains("99 of 100 at most"), "{latency}");
        assert_eq!(latency.matches("dot-p50").count(), 1);
    }

    #[test]
    fn an_empty_chart_is_drawn() {
        let now = Timestamp::parse("2026-03-01T12:34:56Z").unwrap();
        for range in ChartRange::ALL {
            let chart = ChartSum::new(range, now).finish();
            let drawn = format!("{}{}", AttemptsChart(&chart), LatencyChart(&chart));
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }

    #[test]
    fn the_scale_ends_at_a_round_number() {
        let rounded = [1, 2, 3, 5, 7, 11, 99, 101, 601].map(round_up);
        assert_eq!(rounded, [1, 2, 4, 6, 10, 20, 100, 200, 1000]);
        assert!(round_up(u64::MAX) >= u64::MAX / 10);
    }
}
