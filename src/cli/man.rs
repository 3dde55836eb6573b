//! `hookpost man`: the manual pages, made from the definition of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;

use super::output;

/// Print the manual page of hookpost, or write the pages of all commands into a folder.
#[derive(Args, Debug)]
pub(super) struct ManPages {
    /// Write one page for each command into this folder; made if it does not exist.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl ManPages {
    pub(super) fn run(self, command: Command) -> anyhow::Result<()> {
        // A page shows the version in its last line, which has no room for more.
        let command = command.long_version(None::<&'static str>);
        if let Some(folder) = self.to {
            return write_all(command, &folder);
        }
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        output::listing(&String::from_utf8(page)?)
    }
}

fn write_all(command: Command, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .with_context(|| format!("cannot write the manual pages to {}", folder.display()))
}
