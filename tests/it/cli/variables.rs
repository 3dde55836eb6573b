//! The tests of settings by environment variable, and of what a terminal shows.

use super::*;

#[test]
fn a_variable_sets_what_its_flag_sets() {
    let folder = folder();
    let output = command(folder.path(), &["serve"])
        .env("HOOKPOST_GRACE_PERIOD", "never")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--grace-period"));
}

#[test]
fn a_bad_variable_is_named_with_an_example() {
    let folder = folder();
    for (variable, value, args, example) in [
        ("HOOKPOST_GRACE_PERIOD", "never", &["serve"][..], "10s"),
        ("HOOKPOST_LISTEN", "8080", &["serve"], "127.0.0.1:8080"),
        ("HOOKPOST_DEV_LISTEN", "8080", &["dev"], "127.0.0.1:8080"),
        ("HOOKPOST_ALLOW_HTTP", "maybe", &["serve"], "true"),
        ("HOOKPOST_DATABASE", "", &["serve"], "./hookpost.db"),
        ("HOOKPOST_ALLOW_NETWORK", "lan", &["serve"], "10.0.0.0/8"),
        ("HOOKPOST_LOG_FORMAT", "xml", &["token", "list"], "text"),
        (
            "HOOKPOST_SCOPE",
            "all",
            &["token", "create", "--workspace", "a"],
            "webhooks:read",
        ),
        (
            "HOOKPOST_ADMIN",
            "true",
            &["token", "create", "--workspace", "a"],
            "true",
        ),
    ] {
        let output = command(folder.path(), args).env(variable, value).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}");
        let says = stderr(&output);
        let first = says.lines().next().unwrap();
        assert!(first.contains(&format!("'{variable}'")), "{says}");
        assert!(
            says.contains(&format!(": {variable}={example}\n")),
            "{says}"
        );
        // A flag wins, and then the error is about the flag.
        let flag = says.split("sets --").nth(1).unwrap();
        let flag = format!("--{}=\u{1}", flag.split(';').next().unwrap());
        let takes_a_value = !["true"].contains(&example);
        if takes_a_value && variable != "HOOKPOST_DATABASE" {
            let args = [args, &[flag.as_str()]].concat();
            let output = command(folder.path(), &args).env(variable, value).output();
            let output = output.unwrap();
            assert!(!stderr(&output).contains(variable), "{}", stderr(&output));
        }
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
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
    assert!(stderr(&output).contains("HOOKPOST_GRACE_PERIOD=10s"));
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
