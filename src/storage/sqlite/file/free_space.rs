//! The free space on the disk of a file.

use std::path::Path;

/// Returns the space on the disk of a file that a user without privileges may use.
#[cfg(target_os = "linux")]
pub(crate) fn disk_free(file: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(file).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn disk_free(_: &Path) -> Option<u64> {
    None
}
