//! Secrets and tokens stay out of all that an operator may copy into a ticket: logs, errors, panics,
//! `Debug`.
//!
//! The real binary works through a day at trace level, and everything it said is searched for every
//! credential that it met, in every form in which one might have been written.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hookpost::domain::access::{Token, TokenKind};
use hookpost::domain::secret::Secret;
use serde_json::{Value, json};

use super::fixture::PATIENCE;
use super::receiver::Receiver;

mod debug;
mod search;

use search::Credentials;

/// What a process wrote so far.
#[derive(Clone, Default)]
struct Said(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Said {
    fn listen(&self, source: impl Read + Send + 'static) -> std::thread::JoinHandle<()> {
        let said = self.clone();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(source);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                said.0.0.lock().unwrap().append(&mut line);
                said.0.1.notify_all();
            }
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap()).into_owned()
    }

    /// Waits for what `find` finds in it.
    #[track_caller]
    fn wait<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut bytes = self.0.0.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if let Some(found) = find(&text) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not said: {text}");
            bytes = self.0.1.wait_timeout(bytes, left).unwrap().0;
        }
    }
}

/// A running `hookpost serve` that says all it can.
struct Server {
    child: Child,
    addr: SocketAddr,
    said: Said,
    listening: Vec<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(folder: &Path, format: &str, admin: &str) -> Self {
        let mut child = hookpost(folder, format)
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-http"])
            .args([
                "--allow-network",
                "127.0.0.0/8",
                "--request-timeout",
                "300ms",
                "--rate-limit",
                "0",
            ])
            .env("HOOKPOST_ADMIN_TOKEN", admin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Said::default();
        let listening = vec![
            said.listen(child.stderr.take().unwrap()),
            said.listen(child.stdout.take().unwrap()),
        ];
        // `addr=127.0.0.1:1234` or `"addr":"127.0.0.1:1234"`.
        let addr = said.wait(|text| {
            let after = &text[text.find("addr")?..];
            let after = &after[after.find("127.0.0.1:")?..];
            let end = after.find(['"', ' ', '\n'])?;
            after[..end].parse().ok()
        });
        Self {
            child,
            addr,
            said,
            listening,
        }
    }

    /// Sends bytes as they are; the answer, up to where the server closes.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may hang up in the middle, and still have answered.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Makes a request; the status and the answer's body.
    fn call(&self, method: &str, target: &str, token: &str, body: &str) -> (u16, String) {
        let answer = self.raw(
            format!(
                "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                 authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        (
            status.unwrap_or_else(|| panic!("{answer:?}")),
            body.to_owned(),
        )
    }

    #[track_caller]
    fn expect(&self, method: &str, target: &str, token: &str, body: &Value, status: u16) -> Value {
        let (got, text) = self.call(method, target, token, &body.to_string());
        assert_eq!(got, status, "{method} {target}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Stops it gracefully; all that it said.
    fn stop(mut self) -> String {
        let kill = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(kill.unwrap().success());
        assert!(self.child.wait().unwrap().success());
        for listening in self.listening.drain(..) {
            listening.join().unwrap();
        }
        self.said.text()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hookpost(folder: &Path, format: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpost"));
    command
        .env_clear()
        .env("HOOKPOST_DATABASE", folder.join("h.db"))
        .env("HOOKPOST_LOG", "trace")
        .env("HOOKPOST_LOG_FORMAT", format)
        .env("RUST_BACKTRACE", "full");
    command
}

/// All that a command said, and its standard output.
fn output(command: &mut Command) -> (String, String) {
    let Output { stdout, stderr, .. } = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&stderr), text(&stdout))
}

/// A day's work, and what came of it.
struct Day {
    /// All that went to the log or to a terminal, save for tokens that were asked for.
    said: String,
    /// The bodies of all refusals of requests that had their credentials in the right place.
    refusals: String,
    /// All files of the database.
    stored: Vec<u8>,
    /// Whatever must not be shown.
    credentials: Credentials,
    /// The part of them that may not even be stored.
    tokens: Credentials,
    /// A secret that is stored.
    kept: String,
}

fn work(format: &str) -> Day {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    let admin = Token::generate(TokenKind::Admin).reveal().to_owned();
    let server = Server::start(folder.path(), format, &admin);
    let mut day = Day {
        said: String::new(),
        refusals: String::new(),
        stored: Vec::new(),
        credentials: Credentials::default(),
        tokens: Credentials::default(),
        kept: String::new(),
    };
    day.token(&admin);
    let token = day.tokens_come_and_go(&server, folder.path(), format, &admin);
    day.endpoints_are_made_and_changed(&server, &receiver, &token);
    day.secrets_are_sent_where_they_will_not_do(&server, &token);
    day.secrets_are_sent_where_they_do_not_belong(&server, &token);
    day.tokens_are_mistaken(&server, &token);
    day.said += &server.stop();
    day.an_operator_errs(folder.path(), format);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        day.stored
            .append(&mut std::fs::read(file.unwrap().path()).unwrap());
    }
    day
}

impl Day {
    fn token(&mut self, token: &str) {
        self.credentials.add(token);
        self.tokens.add(token);
    }

    fn refused(&mut self, (status, body): (u16, String)) {
        assert!((400..500).contains(&status), "{status} {body}");
        self.refusals += &body;
        self.refusals.push('\n');
    }

    /// Made through the API and on the command line, used, and revoked; one is left.
    fn tokens_come_and_go(
        &mut self,
        server: &Server,
        folder: &Path,
        format: &str,
        admin: &str,
    ) -> String {
        let create = ["token", "create", "--workspace", "w", "--scope"];
        let scopes = "webhooks:read,webhooks:write,webhooks:publish,workspace_access_tokens:write";
        let (said, made) = output(hookpost(folder, format).args(create).arg(scopes));
        self.said += &said;
        let token = made.trim().to_owned();
        self.token(&token);
        let new = json!({"comment": "c", "scopes": ["webhooks:read"]});
        let made = server.expect("POST", "/api/workspace-access-tokens", &token, &new, 201);
        let second = made["token"].as_str().unwrap().to_owned();
        self.token(&second);
        server.expect("GET", "/api/webhooks/events", &second, &Value::Null, 200);
        let id = made["workspace_access_token"]["id"].as_str().unwrap();
        let path = format!("/api/workspace-access-tokens/{id}");
        server.expect("PATCH", &path, admin, &json!({"comment": "d"}), 200);
        server.expect("DELETE", &path, &token, &Value::Null, 204);
        self.refused(server.call("GET", "/api/webhooks/events", &second, ""));
        let (said, listed) = output(hookpost(folder, format).args(["token", "list", "--json"]));
        self.said += &(said + &listed);
        token
    }

    /// With secrets of all kinds, and with URLs that are secrets; deliveries that fail in all ways.
    fn endpoints_are_made_and_changed(
        &mut self,
        server: &Server,
        receiver: &Receiver,
        token: &str,
    ) {
        receiver.reply("/fails", 500, "");
        receiver.reply("/moved", 302, "location: http://127.0.0.1:1/\r\n");
        receiver.reply("/gone", 410, "");
        receiver.hold("/hangs");
        let own = "Kj4vBq9TzR1mXw8sLc6dHf3gNp7yEu2a";
        let whsec = Secret::generate().reveal().to_owned();
        let slack = "ofPzLd8WbCq3KsVn6TxYh2Ra";
        let answering = receiver.url("");
        let urls = [
            format!("{answering}/services/{slack}"),
            format!("{answering}/fails?key={slack}"),
            format!("{answering}/moved#{slack}"),
            format!("{answering}/gone"),
            format!("{answering}/hangs"),
            // Nobody listens there; no name; no TLS; forbidden, in several ways.
            format!("http://127.0.0.1:1/{slack}"),
            format!("http://name.invalid/{slack}"),
            format!("https://{}/{slack}", receiver.addr),
            format!("https://localhost/{slack}"),
        ];
        for secret in [own, &whsec, slack] {
            self.credentials.add(secret);
        }
        for (at, url) in urls.iter().enumerate() {
            let mut new = json!({"url": url, "format": "raw", "events": ["*"]});
            match at % 3 {
                0 => new["secret"] = json!(own),
                1 => new["secret"] = json!(whsec),
                _ => {}
            }
            let made = server.expect("POST", "/api/webhooks/endpoints", token, &new, 201);
            self.credentials.add(made["secret"].as_str().unwrap());
            let path = format!("/api/webhooks/endpoints/{}", made["id"].as_str().unwrap());
            if at % 2 == 0 {
                let rotate = format!("{path}/secret");
                let made = server.expect("PATCH", &rotate, token, &json!({"secret": own}), 200);
                made["secret"].as_str().unwrap().clone_into(&mut self.kept);
                self.credentials.add(&self.kept);
                let secret = Secret::generate().reveal().to_owned();
                self.credentials.add(&secret);
                server.expect("PATCH", &path, token, &json!({"secret": secret}), 200);
                self.kept = secret;
            }
        }
        let payload = "Vw2nQe7rTy5uIo9pAs4dFg6hJk8lZx3c";
        self.credentials.add(payload);
        let message = json!({"type": "a", "data": {"password": payload}});
        server.expect("POST", "/api/webhooks/events", token, &message, 202);
        let end = Instant::now() + PATIENCE;
        loop {
            let target = "/api/webhooks/deliveries";
            let list = server.expect("GET", target, token, &Value::Null, 200);
            if list["meta"]["total"].as_u64() >= Some(urls.len() as u64) {
                break;
            }
            assert!(Instant::now() < end, "{list}");
            std::thread::yield_now();
        }
        receiver.let_go("/hangs");
    }

    /// In the field for secrets, but unusable: what is answered does not show them either.
    fn secrets_are_sent_where_they_will_not_do(&mut self, server: &Server, token: &str) {
        let secret = "Mn8bVc5xZa2sDf7gHj4kLq9wEr6tYu1i";
        self.credentials.add(secret);
        let target = "/api/webhooks/endpoints";
        for bad in [
            json!(secret[..31]),
            json!(secret.repeat(9)),
            json!(format!("whsec_{secret}!")),
            json!([secret]),
            json!({"secret": secret, "other": secret}),
        ] {
            let new = json!({"url": "https://e.com", "format": "raw", "events": [], "secret": bad});
            self.refused(server.call("POST", target, token, &new.to_string()));
            // In an object that stands where none should.
            let new = json!({"url": new, "format": [new], "events": new, "secret": null});
            self.refused(server.call("POST", target, token, &new.to_string()));
        }
        let good = json!({"url": "https://e.com", "format": "raw", "events": [], "secret": secret});
        let good = good.to_string();
        for body in [
            good[..good.len() - 1].to_owned(),
            good.replace(':', "="),
            format!("[{good}]"),
            format!("{good}{good}"),
            good.replace("\"format\"", "\"secret\":1,\"secret\""),
            format!("{good}{}", " ".repeat(300_000)),
        ] {
            self.refused(server.call("POST", target, token, &body));
        }
        // Not JSON by its label, in no encoding, and without leave.
        let form = format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 39\r\n\r\nsecret={secret}"
        );
        self.refusals += &server.raw(form.as_bytes());
        let mut bytes = form
            .replace("application/x-www-form-urlencoded", "application/json")
            .into_bytes();
        let last = bytes.len() - 1;
        bytes[last] = 0xff;
        self.refusals += &server.raw(&bytes);
        self.refused(server.call("POST", target, "hookpost_wat_x", &good));
    }

    /// In other fields, paths and queries. They are shown to their sender, who sent them there, but
    /// to nobody else.
    fn secrets_are_sent_where_they_do_not_belong(&mut self, server: &Server, token: &str) {
        let secret = Secret::generate().reveal().to_owned();
        let plain = "Pq3wEr5tYu7iOp9aSd2fGh4jKl6zXc8v";
        self.credentials.add(&secret);
        self.credentials.add(plain);
        for misplaced in [&secret, plain, token] {
            let new = json!({"url": misplaced, "format": misplaced, "events": [misplaced]});
            let (status, _) =
                server.call("POST", "/api/webhooks/endpoints", token, &new.to_string());
            assert_eq!(status, 422);
            let new = json!({"name": misplaced});
            server.call("POST", "/api/workspaces", token, &new.to_string());
            let encoded = misplaced.replace('_', "%5F").replace('+', "%2B");
            for text in [misplaced, encoded.as_str()] {
                for target in [
                    format!("/api/webhooks/endpoints/{text}"),
                    format!("/api/webhooks/endpoints/{text}/secret"),
                    format!("/api/webhooks/events/{text}/redeliver"),
                    format!("/api/workspace-access-tokens/{text}"),
                    format!("/v1/{text}"),
                    format!("/{text}/{text}"),
                    format!("/{text}"),
                    format!("/api/webhooks/endpoints?token={text}&access_token={text}"),
                    format!("/api/webhooks/endpoints?workspace_id={text}&page={text}"),
                    format!("/readyz?token={text}"),
                    format!("/healthz?{text}"),
                ] {
                    for method in ["GET", "POST", "PATCH", "DELETE"] {
                        server.call(method, &target, token, "{}");
                    }
                }
            }
        }
    }

    /// Wrong, cut, of another kind, in another header, in requests that are none.
    fn tokens_are_mistaken(&mut self, server: &Server, token: &str) {
        let mut near = token.to_owned();
        let last = near.pop().unwrap();
        near.push(if last == 'A' { 'B' } else { 'A' });
        let other = Token::generate(TokenKind::Workspace).reveal().to_owned();
        self.token(&other);
        for bad in [
            near.as_str(),
            &token[..token.len() - 1],
            &token.replace("_wat_", "_adm_"),
            &format!("{token} {token}"),
            &other,
        ] {
            self.refused(server.call("GET", "/api/webhooks/events", bad, ""));
        }
        let basic = STANDARD.encode(format!("user:{token}"));
        for (line, body) in [
            (format!("authorization: Basic {basic}"), ""),
            (format!("authorization: {token}"), ""),
            (
                format!("authorization: Bearer {token}\r\nauthorization: Bearer {other}"),
                "",
            ),
            (format!("authorization: Bearer {token}\u{e9}"), ""),
            (format!("x-api-key: {token}\r\ncookie: token={token}"), ""),
            (
                format!("authorization: Bearer {token}\r\ncontent-length: {token}"),
                "",
            ),
            (
                format!("authorization: Bearer {token}\r\ntransfer-encoding: {token}"),
                "",
            ),
            (
                format!("authorization: Bearer {token}\r\ntransfer-encoding: chunked"),
                token,
            ),
            (format!("authorization Bearer {token}"), ""),
            (format!("{token}: x\u{1}y"), ""),
            (format!("authorization: Bearer {}", token.repeat(2000)), ""),
            (format!("authorization: Bearer {}", token.repeat(200)), ""),
        ] {
            let request = format!(
                "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{line}\r\n\r\n{body}"
            );
            self.refusals += &server.raw(request.as_bytes());
        }
        self.refusals += &server.raw(format!("{token} / HTTP/1.1\r\n\r\n").as_bytes());
        self.refusals += &server.raw(format!("GET / {token}\r\n\r\n").as_bytes());
        self.refusals += &server.raw(format!("{token}\r\n\r\n").as_bytes());
    }

    /// On the command line: what is said of a bad setting does not quote it, if it may be a token.
    fn an_operator_errs(&mut self, folder: &Path, format: &str) {
        let admin = Token::generate(TokenKind::Admin).reveal().to_owned();
        self.token(&admin);
        let file = folder.join("token");
        std::fs::write(&file, format!("{admin}x")).unwrap();
        let file = file.to_str().unwrap().to_owned();
        for variables in [
            &[("HOOKPOST_ADMIN_TOKEN", format!("{admin}x"))][..],
            &[("HOOKPOST_ADMIN_TOKEN", admin.replace("_adm_", "_wat_"))],
            &[("HOOKPOST_ADMIN_TOKEN_FILE", file.clone())],
            &[("HOOKPOST_ADMIN_TOKEN_FILE", admin.clone())],
            &[
                ("HOOKPOST_ADMIN_TOKEN_FILE", file.clone()),
                ("HOOKPOST_ADMIN_TOKEN", admin.clone()),
            ],
        ] {
            let mut command = hookpost(folder, format);
            let command = command.args(["serve", "--listen", "127.0.0.1:0"]);
            let (said, shown) = output(command.envs(variables.iter().cloned()));
            assert!(said.contains("hookpost: "), "{said}");
            self.said += &(said + &shown);
        }
        std::fs::remove_file(&file).unwrap();
        let mut help = hookpost(folder, format);
        let help = help
            .args(["serve", "--help"])
            .env("HOOKPOST_ADMIN_TOKEN", &admin);
        let (said, shown) = output(help);
        self.said += &(said + &shown);
    }
}

#[track_caller]
fn assert_kept(day: &Day) {
    let said = day.credentials.found_in(day.said.as_bytes());
    assert!(said.is_empty(), "said: {}", said.join("\n"));
    let answered = day.credentials.found_in(day.refusals.as_bytes());
    assert!(answered.is_empty(), "answered: {}", answered.join("\n"));
    let stored = day.tokens.found_in(&day.stored);
    assert!(stored.is_empty(), "stored: {}", stored.join("\n"));
    // That the search finds something where there is something: secrets are stored as they are.
    let mut kept = Credentials::default();
    kept.add(&day.kept);
    assert!(
        !kept.found_in(&day.stored).is_empty(),
        "a secret is in the file"
    );
    // And that much was said at all, of what was done: requests, failures, libraries' inner workings.
    for word in [
        "TRACE",
        "DEBUG",
        "INFO",
        "WARN",
        "endpoint disabled",
        "/api/webhooks/endpoints",
    ] {
        assert!(day.said.contains(word), "{word}");
    }
    assert!(
        day.said.lines().count() > 500,
        "{} lines",
        day.said.lines().count()
    );
    assert!(day.refusals.lines().count() > 20);
}

#[test]
fn a_day_at_trace_level_shows_no_credential() {
    assert_kept(&work("text"));
}

#[test]
fn a_day_at_trace_level_in_json_shows_no_credential() {
    assert_kept(&work("json"));
}

/// A panic shows its message; so none may have values in it. (A `Debug` in the message of a failed
/// `expect` is that of an error: those are without values too, see `debug`. `fail_point.rs` is in no build
/// that ships.)
#[test]
fn panic_messages_have_no_values() {
    let mut messages = HashMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "tests" | "simulation") {
                    folders.push(path);
                }
            } else if !matches!(name.as_str(), "tests.rs" | "audit.rs" | "fail_point.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
                for macro_name in [
                    "panic!(",
                    "unreachable!(",
                    "assert!(",
                    "assert_eq!(",
                    "todo!(",
                ] {
                    for (at, _) in code.match_indices(macro_name) {
                        let call = code[at..].split(';').next().unwrap();
                        messages.insert(format!("{name}: {call}"), call.contains('{'));
                    }
                }
                for (at, _) in code.match_indices(".expect(") {
                    let call = code[at..].split(')').next().unwrap();
                    messages.insert(format!("{name}: {call}"), !call.contains('"'));
                }
            }
        }
    }
    assert!(messages.len() >= 5, "{messages:?}");
    let telling: Vec<_> = messages.iter().filter(|(_, telling)| **telling).collect();
    assert!(telling.is_empty(), "{telling:?}");
}

#[test]
fn forms_of_a_credential_are_found() {
    let secret = Secret::generate();
    let mut credentials = Credentials::default();
    credentials.add(secret.reveal());
    let key = secret.decoded_key().unwrap();
    let text = secret.reveal();
    for shown in [
        text.to_owned(),
        format!("{:?}", text.as_bytes()),
        format!("{key:?}"),
        format!("{key:02x?}").replace([',', ' '], ""),
        URL_SAFE.encode(&key),
        STANDARD.encode(text),
        text[20..36].to_owned(),
        text.to_uppercase(),
    ] {
        let log = format!("INFO something={shown} else");
        assert!(!credentials.found_in(log.as_bytes()).is_empty(), "{shown}");
    }
    assert!(
        credentials
            .found_in(b"INFO whsec_ secret=**********")
            .is_empty()
    );
}
