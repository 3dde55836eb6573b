//! The tests of the command line of the real binary: help, usage errors, and tools without a server.

mod client;
#[cfg(unix)]
mod listening;
mod made_texts;
mod retention;
mod settings_document;
mod variables;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hookpost::domain::access::{Token, TokenKind};

/// The binary with `args`, in `folder`, with no setting but these.
fn hookpost(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpost"));
    command.env_clear().current_dir(folder).args(args);
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The paths of all subcommands: `[]`, `["serve"]`, `["token"]`, `["token", "create"]` …
fn subcommands(command: &clap::Command) -> Vec<Vec<String>> {
    let mut paths = vec![Vec::new()];
    for subcommand in command.get_subcommands() {
        for mut path in subcommands(subcommand) {
            path.insert(0, subcommand.get_name().to_owned());
            paths.push(path);
        }
    }
    paths
}

#[test]
fn the_help_of_every_subcommand_is_as_documented() {
    let folder = folder();
    for path in subcommands(&hookpost::cli::command()) {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let output = hookpost(folder.path(), &args);
        assert!(output.status.success());
        let name = format!("help_{}", path.join("_"));
        insta::assert_snapshot!(name.trim_end_matches('_'), stdout(&output));
    }
}

#[test]
fn a_bad_value_is_a_usage_error_that_names_its_flag() {
    let folder = folder();
    for (args, flag) in [
        (
            &["serve", "--request-timeout", "soon"][..],
            "--request-timeout",
        ),
        (&["serve", "--request-timeout", "5m"], "--request-timeout"),
        (&["serve", "--retry-schedule", "5s,x"], "--retry-schedule"),
        (&["serve", "--listen", "8080"], "--listen"),
        (
            &["serve", "--allow-network", "10.0.0.0/40"],
            "--allow-network",
        ),
        (&["serve", "--max-threads", "0"], "--max-threads"),
        (&["dev", "--listen", "0.0.0.0:0"], "--listen"),
        (&["token", "create"], "--workspace"),
        (
            &["token", "create", "--admin", "--workspace", "a"],
            "--admin",
        ),
        (
            &["token", "create", "--workspace", "a", "--scope", "all"],
            "--scope",
        ),
        (
            &["token", "create", "--workspace", "a", "--expires-in", "0"],
            "--expires-in",
        ),
        (&["healthcheck", "--url", "ftp://a"], "--url"),
    ] {
        let output = hookpost(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(flag),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(output.stdout.is_empty());
    }
    assert_eq!(
        folder.path().read_dir().unwrap().count(),
        0,
        "no file was made"
    );
}

#[test]
fn a_token_is_made_alone_on_stdout_listed_and_revoked() {
    let folder = folder();
    let run = |args: &[&str]| hookpost(folder.path(), args);

    let made = run(&[
        "token",
        "create",
        "--workspace",
        "shop",
        "--comment",
        "the shop",
    ]);
    assert!(made.status.success(), "{}", stderr(&made));
    let token = Token::parse(stdout(&made).trim_end_matches('\n')).unwrap();
    assert_eq!(token.kind(), TokenKind::Workspace);
    assert!(!stderr(&made).contains(token.reveal()));
    assert!(stderr(&made).contains("Made the database /"));
    let another = run(&["token", "create", "--workspace", "shop"]);
    assert!(!stderr(&another).contains("database"));
    let id = stderr(&another)
        .split_whitespace()
        .nth(1)
        .map(str::to_owned);
    assert!(run(&["token", "revoke", &id.unwrap()]).status.success());

    let listed: serde_json::Value =
        serde_json::from_slice(&run(&["token", "list", "--json"]).stdout).unwrap();
    assert_eq!(
        listed[0]["scopes"],
        serde_json::json!(["webhooks:read", "webhooks:write", "webhooks:publish"])
    );
    assert_eq!(listed[0]["comment"], "the shop");
    let id = listed[0]["id"].as_str().unwrap();
    let columns = run(&["token", "list"]);
    assert!(stdout(&columns).lines().nth(1).unwrap().starts_with(id));

    assert!(run(&["token", "revoke", id]).status.success());
    assert_eq!(stdout(&run(&["token", "list", "--json"])), "[]\n");
    let again = run(&["token", "revoke", id]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        stderr(&again),
        format!("hookpost: there is no token {id}\n")
    );
}

#[test]
fn a_workspace_is_made_once() {
    let folder = folder();
    let run = |args: &[&str]| hookpost(folder.path(), args);
    let made = run(&["workspace", "create", "shop"]);
    let id = stdout(&made).trim_end().to_owned();
    let again = run(&["workspace", "create", "shop"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        stderr(&again),
        "hookpost: there is a workspace shop already\n"
    );
    let listed = run(&["workspace", "list"]);
    assert!(stdout(&listed).contains(&id));
    // By name or id it is the same one; an unknown id makes none.
    assert!(
        run(&["token", "create", "--workspace", &id])
            .status
            .success()
    );
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(
        run(&["token", "create", "--workspace", unknown])
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn what_cannot_be_seen_is_refused_in_names_and_comments() {
    let folder = folder();
    for (args, what) in [
        (&["workspace", "create", "a\u{200b}b"][..], "a name"),
        (&["token", "create", "--workspace", "a\u{200b}b"], "a name"),
        (
            &["token", "create", "--admin", "--comment", "a\u{200b}b"],
            "a comment",
        ),
    ] {
        let output = hookpost(folder.path(), args);
        assert!(!output.status.success());
        let says = stderr(&output);
        let why = format!("{what} must not have characters that cannot be seen, such as U+200B");
        assert!(says.contains(&why), "{says}");
    }
}

#[test]
fn asking_makes_no_database() {
    let folder = folder();
    let output = hookpost(folder.path(), &["token", "list", "--database", "typo.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "hookpost: there is no database at typo.db\n"
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_bad_admin_token_is_refused_unquoted_before_anything_is_made() {
    let folder = folder();
    let output = command(folder.path(), &["serve", "--listen", "127.0.0.1:0"])
        .env("HOOKPOST_ADMIN_TOKEN", "hookpost_adm_mistyped")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("HOOKPOST_ADMIN_TOKEN"));
    assert!(!stderr(&output).contains("mistyped"));
    assert_eq!(stderr(&output).lines().count(), 1);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn healthcheck_without_a_server_fails_in_one_line() {
    // Bound and dropped: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = hookpost(
        folder().path(),
        &["healthcheck", "--listen", &port.to_string()],
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
#[cfg(unix)]
fn a_server_seeds_its_database_and_ends_well_at_either_signal() {
    let folder = folder();
    let admin = Token::generate(TokenKind::Admin);
    for signal in ["-TERM", "-INT"] {
        let mut server = command(folder.path(), &["serve", "--listen", "127.0.0.1:0"])
            .env("HOOKPOST_ADMIN_TOKEN", admin.reveal())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("started") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
        }
        let kill = Command::new("kill")
            .args([signal, &server.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        // Read to the end, so that the server never waits for room in the pipe.
        assert!(
            log.lines()
                .all(|line| !line.unwrap().contains(admin.reveal()))
        );
        assert_eq!(server.wait().unwrap().code(), Some(0), "{signal}");
    }
    let run = |args: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&hookpost(folder.path(), args).stdout).unwrap()
    };
    let workspaces = run(&["workspace", "list", "--json"]);
    assert_eq!(workspaces.as_array().unwrap().len(), 1);
    assert_eq!(workspaces[0]["name"], "default");
    let tokens = run(&["token", "list", "--json"]);
    assert_eq!(tokens.as_array().unwrap().len(), 1, "seeded once");
}

#[test]
fn dev_brings_one_message_to_its_inbox() {
    let folder = folder();
    let output = command(folder.path(), &["dev", "--once"])
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("its signature verified"));
    assert_eq!(
        folder.path().read_dir().unwrap().count(),
        0,
        "the temporary folder is gone"
    );
}
