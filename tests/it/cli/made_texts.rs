//! The tests of what is made from the definition of the command line: completions, manual pages, versions.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use super::{folder, hookpost, stderr, stdout, subcommands};

/// The words that bash offers for the last word of `line`, with our script.
fn bash_offers(script: &str, line: &str) -> BTreeSet<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let last = words.len() - 1;
    let ask = format!(
        "{script}\nCOMP_WORDS=({line} )\nCOMP_CWORD={last}\n_hookpost hookpost '{}' '{}'\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words[last],
        words[last - 1]
    );
    // The script is longer than an argument may be.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), ask).unwrap();
    let output = Command::new("bash")
        .arg("--norc")
        .arg(file.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let offered = stdout(&output).split_whitespace();
    offered.map(ToOwned::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let output = hookpost(folder().path(), &["completions", "bash"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let script = stdout(&output);
    let only = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    assert_eq!(
        bash_offers(script, "hookpost health"),
        only(&["healthcheck"])
    );
    assert_eq!(bash_offers(script, "hookpost token cr"), only(&["create"]));
    assert_eq!(
        bash_offers(script, "hookpost serve --trusted"),
        only(&["--trusted-proxy"])
    );
    assert_eq!(
        bash_offers(script, "hookpost serve --log-format js"),
        only(&["json"])
    );
}

#[test]
fn every_shell_has_completions_of_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = hookpost(folder().path(), &["completions", shell]);
        assert!(output.status.success(), "{shell}: {}", stderr(&output));
        for name in hookpost::cli::command().get_subcommands() {
            assert!(stdout(&output).contains(name.get_name()), "{shell}: {name}");
        }
    }
    let unknown = hookpost(folder().path(), &["completions", "tcsh"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("possible values: bash,"));
}

#[test]
fn every_command_has_a_manual_page_with_its_flags() {
    let folder = folder();
    let output = hookpost(folder.path(), &["man", "--to", "new/man1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    let written = fs::read_dir(folder.path().join("new/man1")).unwrap();
    let written: BTreeSet<_> = written
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let command = hookpost::cli::command();
    let page = |path: Vec<String>| {
        format!(
            "{}.1",
            [vec!["hookpost".to_owned()], path].concat().join("-")
        )
    };
    let expected: BTreeSet<_> = subcommands(&command).into_iter().map(page).collect();
    assert_eq!(written, expected);

    let serve = fs::read_to_string(folder.path().join("new/man1/hookpost-serve.1")).unwrap();
    let flags = command.find_subcommand("serve").unwrap().get_arguments();
    for flag in flags.filter_map(clap::Arg::get_long) {
        // In a page, a dash that is not a hyphen has a backslash before it.
        let flag = format!("\\-\\-{}", flag.replace('-', "\\-"));
        assert!(serve.contains(&flag), "{flag}");
    }
    assert!(serve.contains("variable: HOOKPOST_TRUSTED_PROXY"));
}

#[test]
fn the_manual_page_of_the_program_is_printed_or_the_reason_why_not() {
    let folder = folder();
    let output = hookpost(folder.path(), &["man"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let title = format!(".TH hookpost 1  \"hookpost {}\"", env!("CARGO_PKG_VERSION"));
    assert!(stdout(&output).contains(&title), "{}", stdout(&output));
    assert!(stdout(&output).contains("hookpost\\-serve(1)"));

    fs::write(folder.path().join("file"), "").unwrap();
    let refused = hookpost(folder.path(), &["man", "--to", "file"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).starts_with("hookpost: cannot write the manual pages to file: "));
    assert_eq!(stderr(&refused).lines().count(), 1);
}

#[test]
fn the_short_version_is_one_line_and_the_long_one_has_that_of_sqlite() {
    let of = |flag: &str| stdout(&hookpost(folder().path(), &[flag])).to_owned();
    let short = format!("hookpost {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(of("-V"), short);
    // Builds for tests know no commit.
    assert_eq!(
        of("--version"),
        format!("{short}SQLite  {}\n", rusqlite::version())
    );
}
