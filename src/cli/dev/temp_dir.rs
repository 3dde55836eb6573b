//! A temporary folder that is removed when its [`TempDir`] is dropped.

use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// A new folder in the system's temporary folder, which only this user can read.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub(super) fn new() -> io::Result<Self> {
        // Another user cannot guess the name, and so cannot make a folder or a link of that name first.
        let name = format!("hookpost-dev-{}", Uuid::from_u128(rand::random()).simple());
        let path = std::env::temp_dir().join(name);
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_gone_with_its_owner() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("x"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
