//! The tests of what the commands do on a terminal: colours, questions and progress.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

/// A terminal: our end, and the one for a command.
fn terminal() -> (File, File) {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let mut open = std::fs::OpenOptions::new();
    let theirs = open.read(true).write(true).open(name.to_str().unwrap());
    (File::from(ours), theirs.unwrap())
}

/// The binary on a terminal of a usual kind.
fn on_terminal(app: &TestApp, args: &[&str]) -> Command {
    let mut command = client(app, Path::new("/"), args);
    command.env("TERM", "xterm");
    command
}

/// Reads what a command prints to its terminal, until it contains `end` or the command has ended.
fn read_until(terminal: &mut File, end: &str) -> String {
    use std::io::Read;
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.contains(end) {
        // The read fails once nobody has the other end.
        match terminal.read(&mut buffer) {
            Ok(read) if read > 0 => text += &String::from_utf8_lossy(&buffer[..read]),
            _ => break,
        }
    }
    text
}

#[test]
fn words_of_state_are_colored_unless_no_color_is_set() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/in"));
    app.publish("a", &json!(1));
    app.wait_for_events("succeeded", 1);
    let shown = |no_color: &str| {
        let (mut ours, theirs) = terminal();
        let mut command = on_terminal(&app, &["events"]);
        command.env("NO_COLOR", no_color).stdout(theirs);
        let mut child = command.spawn().unwrap();
        drop(command);
        let text = read_until(&mut ours, "no end");
        assert!(child.wait().unwrap().success());
        text
    };
    let colored = shown("");
    assert!(
        colored.contains("\u{1b}[32msucceeded\u{1b}[0m"),
        "{colored}"
    );
    let plain = shown("1");
    assert!(
        plain.contains("succeeded") && !plain.contains('\u{1b}'),
        "{plain}"
    );
}

#[test]
fn many_redeliveries_need_a_yes() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/in"));
    for n in 0..11 {
        app.publish("a", &json!(n));
    }
    app.wait_for_events("succeeded", 11);
    let id = endpoint["id"].as_str().unwrap();
    let args = ["redeliver", "--endpoint", id, "--status", "succeeded"];
    for (answer, code, count) in [("n\n", 1, 11), ("y\n", 0, 22)] {
        let (mut ours, theirs) = terminal();
        let mut command = on_terminal(&app, &args);
        command.stdin(theirs.try_clone().unwrap()).stderr(theirs);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        drop(command);
        let asked = read_until(&mut ours, "[y/N]");
        assert!(
            asked.contains("11 events match. Redeliver them all? [y/N]"),
            "{asked}"
        );
        ours.write_all(answer.as_bytes()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(receiver.wait("/in", count).len(), count);
    }
}

#[test]
fn work_of_more_than_a_second_has_a_progress_bar() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.hold("/in");
    app.endpoint(&receiver.url("/in"));
    let (mut ours, theirs) = terminal();
    let mut command = on_terminal(&app, &["publish", "a", "1", "--wait", "20s"]);
    let mut child = command
        .stderr(theirs)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    drop(command);
    let shown = read_until(&mut ours, "delivering");
    receiver.let_go("/in");
    assert!(child.wait().unwrap().success(), "{shown}");
    assert!(shown.contains("delivering"), "{shown}");
}
