//! Files with secrets: a signing secret, or headers.

use std::path::Path;

use anyhow::Context;

/// The most bytes of a file: more than headers can have, and a secret has at most 256 characters.
const FILE_MAX: usize = 16 << 10;

/// Reads a secret from the file of `--secret-file`. The error does not quote the file.
pub(super) fn read_secret(path: &Path) -> anyhow::Result<String> {
    let text = read_text(path, "--secret-file", "secret")?;
    Ok(text.trim().to_owned())
}

/// Reads the file of an option, which holds `what`. The error does not quote the file.
pub(super) fn read_text(path: &Path, option: &str, what: &str) -> anyhow::Result<String> {
    let place = format!("{} ({option})", path.display());
    let read = std::fs::read(path).with_context(|| format!("cannot read {place}"))?;
    let text = String::from_utf8(read).ok();
    let text = text.filter(|text| text.len() <= FILE_MAX);
    text.with_context(|| format!("{place} holds no {what}"))
}
