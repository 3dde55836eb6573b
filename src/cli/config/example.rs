//! The example of a configuration file: every setting of `serve` with its comment, at its default.

use std::fmt::Write as _;

use clap::{Arg, Command};

const HEAD: &str = "\
# The configuration of a Hookpost server: hookpost serve --config THIS-FILE
#
# Each setting is at its default, or, if it has none, at an example. Remove the # before it to change it. A flag
# of the same name wins over the variable of a setting, and the variable wins over this file.
";

/// Returns the text of the file, for the settings of `serve`.
pub(in crate::cli) fn text(command: &Command) -> String {
    let mut text = HEAD.to_owned();
    let mut heading = None;
    let server = command.find_subcommand("serve");
    let own = server.into_iter().flat_map(Command::get_arguments);
    for arg in own.chain(command.get_arguments()).filter(|arg| is_key(arg)) {
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            let name = heading.unwrap_or_default();
            let _ = write!(text, "\n\n## {name}\n");
        }
        text.push_str(&entry(arg));
    }
    text
}

/// Reports whether a configuration file can have the setting: it cannot name itself.
fn is_key(arg: &Arg) -> bool {
    arg.get_env().is_some() && arg.get_long() != Some("config")
}

fn entry(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let variable = arg
        .get_env()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let name = arg.get_long().unwrap_or_default();
    format!(
        "\n{}# Variable: {variable}\n#{name} = {}\n",
        comment(&help),
        value(arg)
    )
}

/// The widest line of a comment.
const WIDTH: usize = 100;

fn comment(help: &str) -> String {
    let mut lines = String::new();
    let mut line = "#".to_owned();
    for word in help.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

/// Returns the default of a setting, or an example, as TOML.
fn value(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return "false".to_owned();
    }
    let default = arg.get_default_values().first();
    let default = default.map(|value| value.to_string_lossy().into_owned());
    let name = arg.get_long().unwrap_or_default();
    let example = || EXAMPLES.iter().find(|(key, _)| *key == name);
    let value = default.or_else(|| example().map(|(_, value)| (*value).to_owned()));
    let value = value.unwrap_or_default();
    let quoted = |text: &str| format!("\"{text}\"");
    if matches!(arg.get_action(), clap::ArgAction::Append) {
        let all: Vec<String> = value.split(',').map(quoted).collect();
        format!("[{}]", all.join(", "))
    } else if value
        .parse::<u64>()
        .is_ok_and(|number| number.to_string() == value)
    {
        value
    } else {
        quoted(&value)
    }
}

/// Examples for settings that have no default.
const EXAMPLES: [(&str, &str); 16] = [
    ("admin-token-file", "/etc/hookpost/admin-token"),
    ("allow-network", "10.0.0.0/8"),
    ("ca-file", "/etc/hookpost/ca.pem"),
    ("client-cert", "/etc/hookpost/client.pem"),
    ("client-key", "/etc/hookpost/client-key.pem"),
    ("egress-proxy", "http://proxy.example:3128"),
    ("encryption-key-file", "/etc/hookpost/encryption-key"),
    ("log-level", "info"),
    ("metrics-listen", "127.0.0.1:9464"),
    ("operator-workspace", "operations"),
    ("otlp-endpoint", "http://127.0.0.1:4318"),
    ("otlp-headers-file", "/etc/hookpost/otlp-headers"),
    ("socket-owner", "root"),
    ("tls-cert", "/etc/hookpost/fullchain.pem"),
    ("tls-key", "/etc/hookpost/privkey.pem"),
    ("trusted-proxy", "127.0.0.1"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn the_file_has_a_line_for_every_setting_and_is_narrow() {
        let (text, command) = (text(&command()), command());
        let server = command.find_subcommand("serve").unwrap();
        for arg in server.get_arguments().filter(|arg| is_key(arg)) {
            let line = format!("\n#{} = ", arg.get_long().unwrap());
            assert_eq!(text.matches(&line).count(), 1, "{line}");
        }
        assert!(
            !text.contains(" = \"\"\n"),
            "every value says something: {text}"
        );
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest.unwrap() <= 120, "{text}");
    }
}
