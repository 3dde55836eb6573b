//! The programs as the guides print them.

use super::language::Language;

pub(crate) const PUBLISHING: &str = include_str!("../../../docs/guides/publishing.md");
pub(crate) const RECEIVING: &str = include_str!("../../../docs/guides/receiving.md");

/// Returns the first block of code below the heading of a language.
pub(crate) fn program<'guide>(guide: &'guide str, language: &Language) -> &'guide str {
    let heading = format!("\n### {}\n", language.heading);
    let (_, below) = guide.split_once(&heading).expect(language.heading);
    let below = below.split("\n### ").next().unwrap();
    let fence = format!("\n```{}\n", language.tag);
    let (_, code) = below.split_once(&fence).expect(language.tag);
    let (code, _) = code.split_once("```\n").expect("the end of the block");
    code
}

/// Returns a source file without the attribute about lints, which readers do not need.
pub(crate) fn without_lints(source: &str) -> String {
    let (before, rest) = source.split_once("#![expect(").unwrap();
    let (_, after) = rest.split_once(")]\n\n").unwrap();
    format!("{before}{after}")
}
