//! The tests of settings by environment variable, and of what a terminal shows.

use super::*;

#[test]
fn settings_that_cannot_be_used_are_told_with_their_places() {
    let folder = folder();
    let refused = |args: &[&str], variables: &[(&str, &str)], says: &[&str]| {
        let output = command(folder.path(), args)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let lines: Vec<String> = stderr(&output).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), says.len(), "{lines:?}");
        for (line, start) in lines.iter().zip(says) {
            assert!(line.starts_with(start), "{line}");
        }
    };
    refused(
        &["serve"],
        &[("HOOKPOST_LISTEN", "8090")],
        &["hookpost: in HOOKPOST_LISTEN: '8090': expected ADDR:PORT, such as 127.0.0.1:8080"],
    );
    refused(
        &["token", "create", "--workspace", "a"],
        &[("HOOKPOST_SCOPE", "webhooks:read,all")],
        &["hookpost: in HOOKPOST_SCOPE: 'all': expected one of webhooks:read, "],
    );
    refused(
        &["serve", "--max-threads", "3"],
        &[
            ("HOOKPOST_GRACE_PERIOD", "never"),
            ("HOOKPOST_MAX_THREADS", "x"),
        ],
        &[
            "hookpost: 2 settings cannot be used:",
            // The flag wins, so its variable is not looked at.
            "  in --max-threads: '3': expected a whole number from 4 to 2048",
            "  in HOOKPOST_GRACE_PERIOD: 'never': expected a whole number with ms, s, m, h or d",
        ],
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_configuration_file_sets_what_flags_set() {
    let folder = folder();
    let file = folder.path().join("hookpost.toml");
    std::fs::write(&file, "grace-period = \"7s\"\nallow-http = true\n").unwrap();
    let token = Token::generate(TokenKind::Admin);
    let output = command(folder.path(), &["config", "--config", "hookpost.toml"])
        .env("HOOKPOST_ADMIN_TOKEN", token.reveal())
        .env("HOOKPOST_EXPIRE_AFTER", "3h")
        .output()
        .unwrap();
    let shown = stdout(&output);
    let row = |name: &str| {
        let mut rows = shown.lines().map(|line| line.split("  ").map(str::trim));
        let row = rows.find(|row| row.clone().next() == Some(name));
        let row = row.unwrap_or_else(|| panic!("{name}: {shown}"));
        row.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(
        row("grace-period"),
        ["grace-period", "7s", "hookpost.toml, line 1, grace-period"]
    );
    assert_eq!(
        row("allow-http"),
        ["allow-http", "true", "hookpost.toml, line 2, allow-http"]
    );
    assert_eq!(
        row("expire-after"),
        ["expire-after", "3h", "HOOKPOST_EXPIRE_AFTER"]
    );
    assert_eq!(row("max-threads"), ["max-threads", "256", "default"]);
    assert_eq!(
        row("admin-token"),
        ["admin-token", "(hidden)", "HOOKPOST_ADMIN_TOKEN"]
    );
    assert!(!shown.contains(token.reveal()));
}

#[test]
fn the_example_of_a_configuration_file_is_one() {
    let folder = folder();
    let example = command(folder.path(), &["config", "--example"])
        .output()
        .unwrap();
    std::fs::write(folder.path().join("x.toml"), example.stdout).unwrap();
    let output = command(folder.path(), &["config", "--config", "x.toml", "--json"]);
    let output = { output }.output().unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(rows.len() > 20);
    assert!(rows.iter().all(|row| row["from"] == "default"), "{rows:?}");
}

#[test]
fn a_variable_that_is_no_setting_gets_a_warning() {
    let folder = folder();
    let output = command(folder.path(), &["config"])
        .env("HOOKPOST_LISTN", "127.0.0.1:9")
        .output()
        .unwrap();
    assert!(output.status.success());
    let says = stderr(&output);
    assert!(
        says.contains("HOOKPOST_LISTN is no setting; did you mean HOOKPOST_LISTEN?"),
        "{says}"
    );
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    let folder = folder();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for (args, name) in [
        (["serve", "--listen", &taken], "--listen"),
        (["serve", "--ca-file", "missing.pem"], "HOOKPOST_CA_FILE"),
        (
            ["serve", "--admin-token-file", "missing"],
            "HOOKPOST_ADMIN_TOKEN_FILE",
        ),
    ] {
        let mut command = command(folder.path(), &args);
        if name != "--listen" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1);
    }
}

#[test]
fn all_files_that_cannot_be_used_are_told_at_once() {
    let folder = folder();
    let args = [
        "serve",
        "--ca-file",
        "ca.pem",
        "--tls-cert",
        "cert.pem",
        "--tls-key",
        "key.pem",
        "--admin-token-file",
        "token",
    ];
    let output = hookpost(folder.path(), &args);
    assert_eq!(output.status.code(), Some(1));
    let says = stderr(&output);
    assert!(
        says.starts_with("hookpost: 3 settings cannot be used:\n"),
        "{says}"
    );
    for flag in ["--ca-file", "--tls-cert", "--admin-token-file"] {
        assert!(says.contains(flag), "{says}");
    }
    assert_eq!(says.lines().count(), 4, "{says}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let output = command(folder.path(), &["serve"])
        .env(
            "HOOKPOST_GRACE_PERIOD",
            std::ffi::OsStr::from_bytes(b"\xff"),
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("in HOOKPOST_GRACE_PERIOD: "));
    assert!(stderr(&output).contains("not a text in UTF-8"));
}

#[test]
fn the_help_wraps_at_the_width_of_the_terminal() {
    let folder = folder();
    let output = command(folder.path(), &["serve", "--help"])
        .env("COLUMNS", "60")
        .output()
        .unwrap();
    let longest = stdout(&output).lines().map(|line| line.chars().count());
    assert!(longest.max().unwrap() <= 60, "{}", stdout(&output));
}

/// The text that `serve` prints to a terminal until it contains `end`.
#[cfg(target_os = "linux")]
fn printed_on_a_terminal(folder: &Path, end: &str) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let stderr = std::fs::OpenOptions::new()
        .write(true)
        .open(name.to_str().unwrap());
    let mut server = command(folder, &["serve", "--listen", "127.0.0.1:0"])
        .stderr(stderr.unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(std::fs::File::from(terminal));
    let mut text = String::new();
    while !text.contains(end) {
        assert_ne!(lines.read_line(&mut text).unwrap(), 0, "{text}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
    text.replace("\r\n", "\n")
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_terminal_serve_first_prints_how_to_begin() {
    let folder = folder();
    let text = printed_on_a_terminal(folder.path(), "hookpost_adm_");
    let command = text
        .find("token create --workspace default --database ")
        .unwrap();
    let url = text.find("http://127.0.0.1:").unwrap();
    let version = text.find(&format!("Version          {}", env!("CARGO_PKG_VERSION")));
    let admin = text.find("hookpost_adm_").unwrap();
    assert!(
        command < url && url < version.unwrap() && version.unwrap() < admin,
        "{text}"
    );

    // The command as it stands makes a token, in any folder.
    let line = text[command..].lines().next().unwrap();
    let start = text[..command].rfind("    ").unwrap();
    let line = format!("{}{line}", text[start..command].trim_start());
    let made = Command::new("sh")
        .args(["-c", &line])
        .current_dir("/")
        .output()
        .unwrap();
    assert!(
        Token::parse(stdout(&made).trim_end()).is_some(),
        "{line}: {}",
        stderr(&made)
    );

    // A later start prints it, too, but no further admin token.
    let again = printed_on_a_terminal(folder.path(), "Version ");
    assert!(
        again.contains("token create --workspace default"),
        "{again}"
    );
    assert!(!again.contains("hookpost_adm_"), "{again}");
}
