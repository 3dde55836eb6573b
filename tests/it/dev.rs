//! The tests of `hookpost dev` while it runs: its inbox is closed to other pages, and a closed terminal
//! ends it.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Instant;

use super::fixture::PATIENCE;

/// A running `dev`, past its demonstration. Dropping it kills it.
struct Dev {
    child: Child,
    folder: tempfile::TempDir,
    api: SocketAddr,
    inbox: SocketAddr,
    /// The text that it printed before it waits.
    guide: String,
    stderr: BufReader<ChildStderr>,
    // Open, so that there is somebody to print to.
    _stdout: BufReader<ChildStdout>,
}

impl Dev {
    /// Started by a shell that first does `before`.
    fn start(before: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{before}; exec \"$@\""), "sh"])
            .args([env!("CARGO_BIN_EXE_hookpost"), "dev"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut guide = String::new();
        while !guide.contains("Ctrl-C stops the server") {
            assert_ne!(stdout.read_line(&mut guide).unwrap(), 0, "{guide}");
        }
        let after = |label: &str| {
            let url = guide
                .split(&format!("{label} "))
                .nth(1)
                .unwrap()
                .trim_start();
            let authority = url.trim_start_matches("http://").split('/').next();
            authority.unwrap().parse().unwrap()
        };
        Self {
            api: after("API"),
            inbox: after("Inbox"),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            guide: guide.clone(),
            child,
            folder,
            _stdout: stdout,
        }
    }

    /// Runs the commands in a shell that has the variables of the guide, and returns what they print.
    fn shell(&self, commands: &str) -> String {
        let export = (self.guide.lines()).find(|line| line.starts_with("  export API=http://"));
        let script = format!("{}\n{commands}", export.unwrap());
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The next line about an attempt.
    fn next_attempt(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it ended");
        line
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status();
        assert!(kill.unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::yield_now();
        }
    }

    /// Checks that it has ended with grace.
    #[track_caller]
    fn assert_ended_well(&mut self) {
        assert_eq!(self.ended().code(), Some(0));
        let left = self.folder.path().read_dir().unwrap().count();
        assert_eq!(left, 0, "the temporary folder is gone");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status and the body that a request with these headers is answered with.
fn ask(addr: SocketAddr, method: &str, path: &str, headers: &[&str]) -> (u16, String) {
    send(addr, method, path, headers, "")
}

/// The same, for a request with a body.
fn send(addr: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers = headers.join("\r\n");
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    (status, body.to_owned())
}

/// Reports whether these tests themselves were started with `nohup`, which programs that they start inherit.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1)
}

#[test]
fn a_terminal_that_is_closed_ends_it_with_grace() {
    // No shell may undo it.
    let undo = "exec env --default-signal=HUP \"$@\"";
    let mut dev = Dev::start(if hangups_are_ignored() { undo } else { ":" });
    dev.signal("-HUP");
    dev.assert_ended_well();
}

// Elsewhere the system does not tell what was ignored before.
#[test]
#[cfg(target_os = "linux")]
fn started_with_nohup_it_outlives_its_terminal() {
    let mut dev = Dev::start("trap '' HUP");
    dev.signal("-HUP");
    let host = format!("host: {}", dev.inbox);
    assert_eq!(ask(dev.inbox, "GET", "/inbox/demo", &[&host]).0, 200);
    dev.signal("-QUIT");
    dev.assert_ended_well();
}

#[test]
fn a_page_of_another_origin_neither_reads_nor_fills_an_inbox() {
    let dev = Dev::start(":");
    let port = dev.inbox.port();
    let own = format!("host: {}", dev.inbox);
    let by_name = format!("host: localhost:{port}");
    let own_origin = format!("origin: http://{}", dev.inbox);
    // A program of the developer's, its own page, and a link from the developer's other server.
    for headers in [
        &[own.as_str()][..],
        &[&by_name],
        &[&own, &own_origin, "sec-fetch-site: same-origin"],
        &[&own, "sec-fetch-site: none"],
        &[&own, "sec-fetch-site: same-site"],
    ] {
        let (status, body) = ask(dev.inbox, "GET", "/inbox/demo.json", headers);
        assert_eq!(status, 200, "{headers:?}: {body}");
        assert!(body.contains("order_1"), "the demonstration's message");
        // Taken, though not signed.
        let (status, body) = ask(dev.inbox, "POST", "/inbox/other", headers);
        assert_eq!(status, 401, "{headers:?}: {body}");
    }
    let count = |name: &str| {
        let (_, body) = ask(dev.inbox, "GET", &format!("/inbox/{name}.json"), &[&own]);
        serde_json::from_str::<serde_json::Value>(&body)
            .unwrap()
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count("other"), 5);
    let rebound = format!("host: evil.example:{port}");
    let rebound_origin = format!("origin: http://evil.example:{port}");
    for headers in [
        &[rebound.as_str()][..],
        &[&rebound, &rebound_origin, "sec-fetch-site: same-origin"],
        &["host: localhost"],
        &["host: 127.0.0.1:1"],
        &[&own, "origin: https://evil.example"],
        &[&own, "origin: null"],
        &[&own, "sec-fetch-site: cross-site"],
        &[&own, &own_origin, "sec-fetch-site: cross-site"],
    ] {
        for (method, path) in [
            ("GET", "/inbox/demo"),
            ("GET", "/inbox/demo.json"),
            ("POST", "/inbox/demo"),
            ("POST", "/inbox/other"),
            ("POST", "/inbox/third"),
        ] {
            let (status, body) = ask(dev.inbox, method, path, headers);
            assert_eq!(status, 403, "{method} {path} {headers:?}");
            assert!(!body.contains("order_1"), "{body}");
        }
    }
    assert_eq!((count("demo"), count("other"), count("third")), (1, 5, 0));
    // Its API answers who has the token, and tells a page nothing.
    let api = format!("host: {}", dev.api);
    let cross = [api.as_str(), "sec-fetch-site: cross-site"];
    assert_eq!(ask(dev.api, "GET", "/readyz", &cross).0, 403);
    assert_eq!(ask(dev.api, "GET", "/readyz", &[&api]).0, 200);
}

#[test]
fn it_prints_the_variables_of_its_commands_and_a_line_for_each_attempt() {
    let mut dev = Dev::start(":");
    let shown = dev.shell("echo \"$API $INBOX $TOKEN\"");
    let shown: Vec<&str> = shown.split_whitespace().collect();
    assert_eq!(shown[0], format!("http://{}/api", dev.api));
    assert_eq!(shown[1], format!("http://{}/inbox", dev.inbox));
    let bearer = format!("authorization: Bearer {}", shown[2]);
    let host = format!("host: {}", dev.api);
    let list = "/api/webhooks/deliveries";
    assert_eq!(ask(dev.api, "GET", list, &[&host, &bearer]).0, 200);

    let inbox = format!("http://{}/inbox/demo\n", dev.inbox);
    let first = dev.next_attempt();
    assert!(
        first.contains("Z  order.created  attempt 1: 200 after "),
        "{first}"
    );
    assert!(first.ends_with(&inbox), "{first}");

    let json = "content-type: application/json";
    let refused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoint =
        format!(r#"{{"url":"http://{refused}/x","format":"raw","events":["order.paid"]}}"#);
    let headers = [host.as_str(), &bearer, json];
    let made = send(
        dev.api,
        "POST",
        "/api/webhooks/endpoints",
        &headers,
        &endpoint,
    );
    assert_eq!(made.0, 201, "{}", made.1);
    let message = r#"{"type":"order.paid","data":1}"#;
    let published = send(dev.api, "POST", "/api/webhooks/events", &headers, message);
    assert_eq!(published.0, 202, "{}", published.1);
    let lines = [dev.next_attempt(), dev.next_attempt()];
    assert!(
        lines.iter().any(
            |line| line.contains("order.paid  attempt 1: 200 after ") && line.ends_with(&inbox)
        ),
        "{lines:?}"
    );
    let failed = lines
        .iter()
        .find(|line| line.contains("attempt 1: connect (no connection: "));
    let failed = failed.unwrap_or_else(|| panic!("{lines:?}"));
    assert!(failed.contains(" ms, retry in "), "{failed}");
    assert!(
        failed.ends_with(&format!(" s  http://{refused}/x\n")),
        "{failed}"
    );
}

#[test]
fn its_pages_list_the_inboxes_show_what_came_and_clear_it() {
    let dev = Dev::start(":");
    let host = format!("host: {}", dev.inbox);
    let get = |path: &str| ask(dev.inbox, "GET", path, &[&host]);
    for path in ["/", "/inbox"] {
        let (status, page) = get(path);
        assert_eq!(status, 200, "{path}");
        let row = "<a href=\"/inbox/demo\">demo</a>: 1 request, the newest at ";
        assert!(page.contains(row), "{page}");
    }
    let (_, page) = get("/inbox/demo");
    for part in [
        "<h2>order.created</h2>",
        "answered <span class=\"good\">200</span>",
        "\n  &quot;data&quot;: {\n    &quot;id&quot;: &quot;order_1&quot;,\n    &quot;total&quot;: 19.90,\n",
        "<dt>content-type</dt><dd>application/json</dd>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let (_, kept) = get("/inbox/demo.json");
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept[0]["type"], "order.created");
    assert_eq!(kept[0]["status"], 200);
    assert_eq!(kept[0]["headers"]["webhook-id"], kept[0]["id"]);

    let cross = [host.as_str(), "sec-fetch-site: cross-site"];
    let clear = "/inbox/demo/clear";
    assert_eq!(ask(dev.inbox, "POST", clear, &cross).0, 403);
    assert_eq!(ask(dev.inbox, "DELETE", "/inbox/demo", &cross).0, 403);
    assert!(get("/inbox/demo.json").1.contains("order_1"));
    assert_eq!(ask(dev.inbox, "POST", clear, &[&host]).0, 303);
    assert_eq!(get("/inbox/demo.json").1, "[]");
    assert_eq!(ask(dev.inbox, "POST", "/inbox/other", &[&host]).0, 401);
    assert_eq!(ask(dev.inbox, "DELETE", "/inbox/other", &[&host]).0, 204);
    assert_eq!(get("/inbox/other.json").1, "[]");
}

#[test]
fn its_inboxes_are_at_the_address_that_was_asked_for_or_it_does_not_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookpost"));
        command.args(["dev", "--once", "--inbox-listen", &addr]);
        command.output().unwrap()
    };
    let refused = start();
    assert_eq!(refused.status.code(), Some(1));
    let says = String::from_utf8(refused.stderr).unwrap();
    assert!(says.contains("(--inbox-listen)"), "{says}");
    drop(taken);
    let started = start();
    assert!(started.status.success());
    let says = String::from_utf8(started.stdout).unwrap();
    assert!(
        says.contains(&format!("http://{addr}/inbox/demo")),
        "{says}"
    );
}
