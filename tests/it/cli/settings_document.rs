//! The test of docs/SETTINGS.md: its tables are made from the definition of the command line.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command};

/// The line after which the document is made, not written.
const MARK: &str = "<!-- The rest is made from the command line: INSTA_UPDATE=always cargo test --test it settings_document -->";

/// The settings of a command's own, without those of every command.
fn own<'c>(command: &'c Command, of_all: &Command) -> Vec<&'c Arg> {
    let all: Vec<_> = of_all.get_arguments().map(Arg::get_id).collect();
    let is_own = |arg: &&Arg| arg.get_env().is_some() && !all.contains(&arg.get_id());
    command.get_arguments().filter(is_own).collect()
}

fn table(text: &mut String, settings: &[&Arg]) {
    text.push_str("\n| flag, variable | default | |\n|---|---|---|\n");
    for arg in settings {
        let _ = writeln!(
            text,
            "| `--{}`<br>`{}` | {} | {} |",
            flag(arg),
            arg.get_env().unwrap().to_str().unwrap(),
            default(arg),
            meaning(arg)
        );
    }
}

fn flag(arg: &Arg) -> String {
    let long = arg.get_long().unwrap();
    let value = arg.get_value_names().unwrap_or_default().first();
    match value.filter(|_| arg.get_action().takes_values()) {
        Some(value) => format!("{long} {value}"),
        None => long.to_owned(),
    }
}

fn default(arg: &Arg) -> String {
    let values = arg.get_default_values();
    match values.first().and_then(|value| value.to_str()) {
        _ if !arg.get_action().takes_values() => "`false`".to_owned(),
        Some(value) if !value.is_empty() => format!("`{value}`"),
        _ => String::new(),
    }
}

/// The text of the long help, without the variable.
fn meaning(arg: &Arg) -> String {
    let long = arg.get_long_help().unwrap().to_string();
    let paragraphs = long.split("\n\n").filter(|p| !p.starts_with("[variable"));
    let ended = |text: &str| {
        let text = text.replace('|', "\\|").replace('\n', " ");
        let ends = text.ends_with(['.', '?', ':']);
        if ends { text } else { text + "." }
    };
    let mut text = paragraphs.map(ended).collect::<Vec<_>>().join(" ");
    let names: Vec<_> = arg.get_possible_values();
    let names: Vec<_> = names
        .iter()
        .map(|name| format!("`{}`", name.get_name()))
        .collect();
    if arg.get_action().takes_values() && !names.is_empty() {
        let _ = write!(text, " One of {}.", names.join(", "));
    }
    text
}

fn made() -> String {
    let root = hookpost::cli::command();
    let mut text = String::new();
    let serve = root.find_subcommand("serve").unwrap();
    let mut headings: Vec<&str> = Vec::new();
    for heading in own(serve, &root)
        .iter()
        .filter_map(|arg| arg.get_help_heading())
    {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    text.push_str("\n## The server\n");
    for heading in headings {
        let _ = writeln!(text, "\n### {heading}");
        let settings = own(serve, &root);
        let here = |arg: &&&Arg| arg.get_help_heading() == Some(heading);
        table(
            &mut text,
            &settings.iter().filter(here).copied().collect::<Vec<_>>(),
        );
    }
    text.push_str("\n## Every command\n");
    let of_all = root.get_arguments().filter(|arg| arg.get_env().is_some());
    table(&mut text, &of_all.collect::<Vec<_>>());

    text.push_str("\n## Other commands\n");
    let of_server: Vec<_> = own(serve, &root)
        .iter()
        .filter_map(|arg| arg.get_env())
        .map(ToOwned::to_owned)
        .collect();
    // Where a setting has been described; commands that talk to a server have the same ones.
    let mut described: Vec<(&Arg, String)> = Vec::new();
    let mut walk = vec![(String::new(), &root)];
    while let Some((path, command)) = walk.pop() {
        let subcommands: Vec<_> = command.get_subcommands().collect();
        for inner in subcommands.into_iter().rev() {
            walk.push((format!("{path} {}", inner.get_name()), inner));
        }
        let settings = own(command, &root);
        let is_of_server = |arg: &&Arg| of_server.iter().any(|name| arg.get_env() == Some(name));
        let (shared, only): (Vec<_>, Vec<_>) = settings.into_iter().partition(is_of_server);
        if path.is_empty() || path == " serve" || (only.is_empty() && shared.is_empty()) {
            continue;
        }
        let _ = writeln!(text, "\n### `hookpost{path}`");
        if shared.len() == of_server.len() {
            text.push_str("\nAll settings of the server.\n");
        } else if !shared.is_empty() {
            let names: Vec<_> = shared
                .iter()
                .map(|arg| format!("`--{}`", arg.get_long().unwrap()))
                .collect();
            let _ = writeln!(text, "\nAs of the server: {}.", names.join(", "));
        }
        let is_same = |one: &Arg, other: &Arg| {
            one.get_long() == other.get_long()
                && one.get_env() == other.get_env()
                && meaning(one) == meaning(other)
                && default(one) == default(other)
        };
        let mut new: Vec<&Arg> = Vec::new();
        let mut known: Vec<(String, Vec<String>)> = Vec::new();
        for arg in only {
            let before = described.iter().find(|(known, _)| is_same(known, arg));
            let Some((_, path)) = before else {
                new.push(arg);
                continue;
            };
            let name = format!("`--{}`", arg.get_long().unwrap());
            match known.iter_mut().find(|(of, _)| of == path) {
                Some((_, names)) => names.push(name),
                None => known.push((path.clone(), vec![name])),
            }
        }
        for (path, names) in known {
            let _ = writeln!(text, "\nAs of `hookpost{path}`: {}.", names.join(", "));
        }
        if !new.is_empty() {
            table(&mut text, &new);
        }
        described.extend(new.into_iter().map(|arg| (arg, path.clone())));
    }
    text
}

#[test]
fn the_settings_document_is_what_the_command_line_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SETTINGS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (written, rest) = text.split_once(MARK).expect("the mark is there");
    let made = format!("\n{}", made());
    if rest != made && std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        std::fs::write(&path, format!("{written}{MARK}{made}")).unwrap();
        return;
    }
    for (is, should) in rest.lines().zip(made.lines()) {
        assert_eq!(is, should, "run the command that the document names");
    }
    assert_eq!(
        rest.len(),
        made.len(),
        "run the command that the document names"
    );
}
