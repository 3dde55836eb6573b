//! The tests of the tools' output when its reader goes away or it cannot be written.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpost"));
    command.env_clear().env("TMPDIR", folder);
    command.current_dir(folder).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(command: &mut Command) -> Output {
    command.spawn().unwrap().wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// An output that nobody reads any more.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// An output on a full disk.
#[cfg(target_os = "linux")]
fn full() -> Stdio {
    std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

const LISTS: [&[&str]; 7] = [
    &["openapi"],
    &["token", "list"],
    &["token", "list", "--json"],
    &["workspace", "list"],
    &["--help"],
    &["token", "create", "--help"],
    &["--version"],
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = run(&mut command(
        folder.path(),
        &["token", "create", "--workspace", "w"],
    ));
    assert!(made.status.success());
    folder
}

#[test]
fn a_reader_that_has_enough_ends_a_list_without_a_word() {
    let folder = folder();
    for args in LISTS {
        let output = run(command(folder.path(), args).stdout(unread()));
        assert_eq!(text(&output.stderr), "", "{args:?}");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
    let dev = run(command(folder.path(), &["dev"]).stdout(unread()));
    assert_eq!((text(&dev.stderr), dev.status.code()), ("", Some(0)));
    let left = folder.path().read_dir().unwrap();
    let left = left.filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(left.count(), 0, "the temporary folder is gone");
}

#[test]
fn what_is_shown_only_once_must_be_seen() {
    let folder = folder();
    for args in [
        &["token", "create", "--workspace", "w"][..],
        &["workspace", "create", "another"],
    ] {
        let output = run(command(folder.path(), args).stdout(unread()));
        let last = text(&output.stderr).lines().last().unwrap();
        assert!(
            last.starts_with("hookpost: cannot write to stdout: "),
            "{last}"
        );
        assert_eq!(output.status.code(), Some(1), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_stdout_is_an_error_in_one_line() {
    let folder = folder();
    for args in LISTS {
        let output = run(command(folder.path(), args).stdout(full()));
        let expected = "hookpost: cannot write to stdout: No space left on device (os error 28)\n";
        assert_eq!(text(&output.stderr), expected, "{args:?}");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn remarks_that_cannot_be_made_change_nothing() {
    let folder = folder();
    for stderr in [unread, full] {
        for (args, code) in [
            (&["token", "create", "--workspace", "w"][..], 0),
            (
                &[
                    "token",
                    "create",
                    "--workspace",
                    "w",
                    "--log-level",
                    "trace",
                ],
                0,
            ),
            (&["token", "list", "--database", "missing.db"], 1),
            (&["serve", "--listen", "192.0.2.1:1"], 1),
            (&["serve", "--listen", "nowhere"], 2),
            (&["nothing"], 2),
        ] {
            let output = run(command(folder.path(), args).stderr(stderr()));
            assert_eq!(output.status.code(), Some(code), "{args:?}");
            let printed = text(&output.stdout).starts_with("hookpost_");
            assert_eq!(printed, code == 0, "{args:?}");
        }
    }
}
