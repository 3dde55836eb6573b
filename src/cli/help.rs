//! The help of the command line: `-h` is short, and `--help` also has each setting's variable.

use clap::{Arg, Command};

/// The widest lines of the help; longer ones are hard to read.
const WIDTH_MAX: usize = 100;

/// Returns the definition with the variable of each setting in its long help. `clap` would show variables in
/// the short help, too, and with the values that they have.
pub(super) fn with_variables(command: Command) -> Command {
    fn all(command: Command) -> Command {
        command.mut_args(with_variable).mut_subcommands(all)
    }
    all(command).max_term_width(WIDTH_MAX)
}

fn with_variable(arg: Arg) -> Arg {
    let Some(variable) = arg.get_env().and_then(|name| name.to_str()) else {
        return arg;
    };
    let help = arg.get_long_help().or(arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let long = format!("{help}\n\n[variable: {variable}]");
    arg.hide_env(true).long_help(long)
}
