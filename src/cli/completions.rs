//! `hookpost completions`: prints a script with which a shell completes commands and flags.

use clap::{Args, Command};
use clap_complete::Shell;

use super::output;

/// Print a script with which a shell completes the commands and flags of hookpost.
///
/// For this user and bash: hookpost completions bash > ~/.local/share/bash-completion/completions/hookpost
#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, mut command: Command) -> anyhow::Result<()> {
        let name = command.get_name().to_owned();
        // Made in memory: the generator would end with a panic if its output could not be written.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        output::listing(&String::from_utf8(script)?)
    }
}
