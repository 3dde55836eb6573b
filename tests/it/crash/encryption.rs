//! The tests of secrets that are encrypted in the file: what is in it, who can start on it, and changes of keys, also
//! of a process that is killed between their steps.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::params;
use serde_json::{Value, json};

use super::server::{Server, Start, TestDir, text};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

/// The signal with which `abort` ends a process.
const SIGABRT: i32 = 6;

const OWN: &str = "Kj4vBq9TzR1mXw8sLc6dHf3gNp7yEu2a";
const LATER: &str = "Tz8wQe1rYu6iOp3aSd5fGh7jKl9xCv4b";
const HEADER: &str = "Gw5tZb2xNm8vLk4cPq7sRj1dHf6yUa9e";

/// More endpoints than two steps have.
const MANY: i64 = 1_200;

/// Writes a file of keys, each of 32 equal bytes.
fn key_file(dir: &TestDir, name: &str, keys: &[u8]) -> PathBuf {
    let lines = keys.iter().map(|byte| STANDARD.encode([*byte; 32]) + "\n");
    let path = dir.path().join(name);
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn start(dir: &TestDir, keys: &[u8]) -> Server {
    let path = key_file(dir, "keys", keys);
    dir.start_with(&Start {
        flags: &["--encryption-key-file", path.to_str().unwrap()],
        ..Start::default()
    })
}

/// Starts a server that must end by itself. Returns its end, and what it said.
#[track_caller]
fn ended(dir: &TestDir, keys: &[u8]) -> (ExitStatus, String) {
    let path = key_file(dir, "keys", keys);
    let flags = ["--encryption-key-file", path.to_str().unwrap()];
    let spawned = dir.spawn(&Start {
        flags: if keys.is_empty() { &[] } else { &flags },
        ..Start::default()
    });
    (spawned.ended(), spawned.log.whole())
}

/// The reason of a server that does not start.
#[track_caller]
fn refused(dir: &TestDir, keys: &[u8]) -> String {
    let (status, said) = ended(dir, keys);
    assert_eq!(status.code(), Some(1), "{said}");
    let mut lines = said.lines().filter(|line| line.starts_with("hookpost: "));
    let line = lines.next().unwrap_or_else(|| panic!("{said}")).to_owned();
    assert_eq!(lines.next(), None, "{said}");
    line
}

fn rotate(dir: &TestDir, keys: &[u8], more: &[&str]) -> Output {
    let path = key_file(dir, "keys", keys);
    let args = [
        "rotate-key",
        "--encryption-key-file",
        path.to_str().unwrap(),
    ];
    dir.run(&[&args[..], more].concat())
}

#[track_caller]
fn rotated(dir: &TestDir, keys: &[u8], more: &[&str]) -> String {
    let output = rotate(dir, keys, more);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// All bytes of the folder, but for the files of keys.
fn bytes(dir: &TestDir) -> Vec<u8> {
    let files = std::fs::read_dir(dir.path()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let paths = paths.filter(|path| path.file_name().is_some_and(|name| name != "keys"));
    paths
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn has(bytes: &[u8], secret: &str) -> bool {
    bytes
        .windows(secret.len())
        .any(|part| part == secret.as_bytes())
}

/// Makes an endpoint with a secret of its own, and rotates that; so the first secret is an old one. Returns its path.
fn with_secrets(server: &Server, receiver: &Receiver) -> String {
    let new = json!({"url": receiver.url("/a"), "format": "raw", "events": ["*"], "secret": OWN,
                     "headers": {"x-api-key": HEADER}});
    let made = server
        .call("POST", "/api/webhooks/endpoints", Some(&new))
        .unwrap();
    assert_eq!(made.status, 201, "{}", made.body);
    let path = format!(
        "/api/webhooks/endpoints/{}",
        made.body["id"].as_str().unwrap()
    );
    let rotation = json!({"secret": LATER, "overlap": 3600});
    let rotated = server
        .call("PATCH", &format!("{path}/secret"), Some(&rotation))
        .unwrap();
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    path
}

/// Checks that deliveries are signed with both secrets: two entries of each.
#[track_caller]
fn assert_signs(server: &Server, path: &str, receiver: &Receiver) {
    assert_eq!(server.get(path).body["secret"], LATER);
    let before = receiver.count("/a");
    server.published(&json!(1));
    let received = receiver.wait("/a", before + 1).pop().unwrap();
    let entries = received.header("webhook-signature").split(' ').count();
    assert_eq!(entries, 2, "the present secret, and the old one");
    assert_eq!(received.header("x-api-key"), HEADER);
}

/// The number of stored values that are plain, and of those that are sealed.
fn forms(dir: &TestDir) -> (i64, i64) {
    let count = |form: &str| {
        let of = |table: &str, column: &str| {
            dir.number(&format!(
                "SELECT count(*) FROM {table} WHERE typeof({column}) = '{form}' AND {column} <> ''"
            ))
        };
        of("endpoint", "secret") + of("endpoint", "headers") + of("old_secret", "secret")
    };
    (count("text"), count("blob"))
}

#[test]
fn with_a_key_no_file_has_a_secret_and_deliveries_are_signed_as_ever() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    let path = with_secrets(&server, &receiver);
    assert_signs(&server, &path, &receiver);
    assert!(has(&bytes(&dir), OWN), "it is there without a key");
    server.stop();
    assert_eq!(forms(&dir), (3, 0));

    // A start with a key encrypts what is there.
    let server = start(&dir, &[1]);
    assert_eq!(forms(&dir), (0, 3));
    let while_running = bytes(&dir);
    for secret in [OWN, LATER, HEADER] {
        assert!(!has(&while_running, secret), "{secret} while it runs");
    }
    assert_signs(&server, &path, &receiver);
    let made = with_secrets(&server, &receiver);
    assert_eq!(server.get(&made).body["secret"], LATER);
    let listed = server.get("/api/webhooks/endpoints").body;
    assert_eq!(listed["data"][1]["secret"], LATER);
    let _no_content = server.call("DELETE", &made, None);
    assert_eq!(server.get(&made).status, 404);
    server.stop();
    assert_eq!(forms(&dir), (0, 3));
    let bytes = bytes(&dir);
    for secret in [OWN, LATER, HEADER] {
        assert!(!has(&bytes, secret), "{secret}");
    }
    dir.check();
}

#[test]
fn what_is_replaced_or_deleted_leaves_the_files_of_a_running_server() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    let [first, second, third] = [(); 3].map(|()| with_secrets(&server, &receiver));
    // The stop moves everything into the file.
    server.stop();
    let server = dir.start();
    let url = receiver.url("/a");
    let gone = [OWN, LATER, HEADER, &url];
    assert!(gone.iter().all(|it| has(&bytes(&dir), it)));
    let change = |method, path: &str, body: Option<&Value>| {
        let answer = server.call(method, path, body).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    };
    for path in [&first, &second] {
        let settings = json!({"url": receiver.url("/other"), "headers": {}});
        change("PATCH", path, Some(&settings));
        let rotation = json!({"overlap": 0});
        change("PATCH", &format!("{path}/secret"), Some(&rotation));
    }
    change("DELETE", &third, None);
    wait_until("files without them", || {
        let bytes = bytes(&dir);
        gone.iter().all(|it| !has(&bytes, it))
    });
    server.stop();
    dir.check();
}

#[test]
fn without_the_key_or_with_another_one_a_server_does_not_start() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = start(&dir, &[1]);
    let path = with_secrets(&server, &receiver);
    server.stop();
    let says = refused(&dir, &[]);
    assert!(
        says.contains("name the file that has this key (--encryption-key-file)"),
        "{says}"
    );
    let says = refused(&dir, &[2]);
    assert!(says.contains("add this key as another line"), "{says}");
    // The new key before the old one: both open, and only the first one seals.
    let server = start(&dir, &[2, 1]);
    assert_signs(&server, &path, &receiver);
    let made = with_secrets(&server, &receiver);
    server.stop();
    assert!(refused(&dir, &[2]).contains("add this key"));
    assert!(refused(&dir, &[1]).contains("add this key"));
    assert!(rotated(&dir, &[2, 1], &[]).starts_with("3 values encrypted with the key "));
    assert!(rotated(&dir, &[2, 1], &[]).starts_with("0 values"));
    assert!(refused(&dir, &[1]).contains("add this key"));
    let server = start(&dir, &[2]);
    for path in [path, made] {
        assert_eq!(server.get(&path).body["secret"], LATER);
    }
    server.stop();
    // And back to the clear.
    let failed = rotate(&dir, &[1], &["--decrypt"]);
    assert!(
        text(&failed.stderr).contains("add this key"),
        "{}",
        text(&failed.stderr)
    );
    assert_eq!(rotated(&dir, &[2], &["--decrypt"]), "6 values decrypted\n");
    assert_eq!(forms(&dir), (6, 0));
    dir.start().stop();
    dir.check();
}

#[test]
fn files_of_keys_that_cannot_be_used_end_the_start_in_one_line() {
    let dir = TestDir::new();
    let refused = |content: Option<&str>| {
        let path = dir.path().join("bad");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let output = dir.run(&["serve", "--encryption-key-file", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr).to_owned();
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    assert!(refused(None).contains("(--encryption-key-file): No such file"));
    assert!(refused(Some("")).contains("it has no key"));
    let secret = STANDARD.encode([7; 31]);
    let said = refused(Some(&secret));
    assert!(said.contains("line 1 is no key"), "{said}");
    assert!(!said.contains(&secret), "{said}");

    // One that others can read is used, with a warning.
    let path = key_file(&dir, "keys", &[1]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = dir.start_with(&Start {
        flags: &["--encryption-key-file", path.to_str().unwrap()],
        ..Start::default()
    });
    let (_, log) = server.terminated();
    assert!(
        log.contains("other users of this machine can read the key"),
        "{log}"
    );
}

#[test]
fn tools_and_backups_need_no_key() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = start(&dir, &[1]);
    let path = with_secrets(&server, &receiver);
    server.stop();
    for args in [
        &["token", "list"][..],
        &["token", "create", "--workspace", "w"],
        &["workspace", "list"],
        &["workspace", "retention", "w", "--archive-after", "1d"],
        &["workspace", "operational-events", "w", "on"],
        &["check"],
        &["check", "--repair"],
        &["backup", "copy"],
    ] {
        let output = dir.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
    let copy = std::fs::read(dir.path().join("copy")).unwrap();
    assert!(![OWN, LATER, HEADER].iter().any(|secret| has(&copy, secret)));
    let restored = dir.run(&["restore", "copy", "--replace"]);
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    assert!(refused(&dir, &[]).contains("--encryption-key-file"));
    let server = start(&dir, &[1]);
    assert_signs(&server, &path, &receiver);
    // Beside a running server, keys are not changed.
    let output = rotate(&dir, &[1], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("in use by"), "{said}");
    server.stop();
}

#[test]
fn a_secret_that_was_moved_to_another_endpoint_is_not_used() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = start(&dir, &[1]);
    with_secrets(&server, &receiver);
    with_secrets(&server, &receiver);
    server.stop();
    dir.open()
        .execute_batch(
            "UPDATE endpoint SET secret = (SELECT secret FROM endpoint WHERE n = 2) WHERE n = 1",
        )
        .unwrap();
    let says = refused(&dir, &[1]);
    assert!(
        says.contains("was changed, or moved from another endpoint"),
        "{says}"
    );
}

/// Adds endpoints with secrets in the clear, as an older server has left them.
fn with_many(dir: &TestDir) -> Vec<String> {
    let secrets: Vec<_> = (0..MANY).map(|n| format!("{OWN}-{n}")).collect();
    let mut connection = dir.open();
    let transaction = connection.transaction().unwrap();
    for (n, secret) in (1..).zip(&secrets) {
        transaction
            .execute(
                "INSERT INTO endpoint (id, workspace, url, format, secret, events, created_at)
                 VALUES (?1, 1, 'https://a.example/', 0, ?2, '*', 0)",
                params![uuid::Uuid::from_u128(n), secret],
            )
            .unwrap();
    }
    transaction.commit().unwrap();
    secrets
}

/// The secrets of all endpoints, oldest first.
fn shown(server: &Server) -> Vec<String> {
    let mut all = Vec::new();
    for page in 1.. {
        let list = server
            .get(&format!("/api/webhooks/endpoints?limit=100&page={page}"))
            .body;
        let Value::Array(rows) = &list["data"] else {
            panic!("{list}");
        };
        if rows.is_empty() {
            break;
        }
        all.extend(
            rows.iter()
                .map(|row| row["secret"].as_str().unwrap().to_owned()),
        );
    }
    all.reverse();
    all
}

#[test]
fn a_change_of_keys_that_is_killed_is_ended_by_the_next_one() {
    let dir = TestDir::new();
    let secrets = with_many(&dir);
    let killed = |keys: &[u8], more: &[&str], point: &str| {
        dir.arm(point);
        let output = rotate(&dir, keys, more);
        assert_eq!(
            output.status.signal(),
            Some(SIGABRT),
            "{}",
            text(&output.stderr)
        );
        dir.disarm();
        dir.check();
    };
    // The first start with a key is killed, too.
    dir.arm("resealing abort 2");
    let (status, said) = ended(&dir, &[1]);
    assert_eq!(status.signal(), Some(SIGABRT), "{said}");
    dir.disarm();
    let (plain, sealed) = forms(&dir);
    assert!(plain > 0 && sealed > 0, "{plain} {sealed}");
    let server = start(&dir, &[1]);
    assert_eq!(shown(&server), secrets);
    server.stop();
    assert_eq!(forms(&dir), (0, MANY));

    for point in ["resealing abort 1", "resealing abort 3", "commit abort 2"] {
        killed(&[2, 1], &[], point);
        let server = start(&dir, &[2, 1]);
        assert_eq!(shown(&server), secrets);
        server.stop();
    }
    rotated(&dir, &[2, 1], &[]);
    killed(&[2], &["--decrypt"], "resealing abort 2");
    let (plain, sealed) = forms(&dir);
    assert!(plain > 0 && sealed > 0, "{plain} {sealed}");
    rotated(&dir, &[2], &["--decrypt"]);
    let server = dir.start();
    assert_eq!(shown(&server), secrets);
    server.stop();
    dir.check();
}
