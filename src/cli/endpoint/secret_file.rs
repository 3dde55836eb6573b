//! A file with a signing secret.

use std::path::Path;

use anyhow::Context;

/// The most bytes of a file with a secret. A secret has at most 256 characters.
const SECRET_FILE_MAX: usize = 4096;

/// Reads a secret from the file of `--secret-file`. The error does not quote the file.
pub(super) fn read_secret(path: &Path) -> anyhow::Result<String> {
    let place = format!("{} (--secret-file)", path.display());
    let read = std::fs::read(path).with_context(|| format!("cannot read {place}"))?;
    let text = String::from_utf8(read).ok();
    let text = text.filter(|text| text.len() <= SECRET_FILE_MAX);
    text.map(|text| text.trim().to_owned())
        .with_context(|| format!("{place} holds no secret"))
}
