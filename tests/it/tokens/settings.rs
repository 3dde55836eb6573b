//! The tests of the admin token in the server's settings, over several starts of the real binary.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use hookpost::domain::access::{Token, TokenKind};

use super::*;

const VARIABLE: &str = "HOOKPOST_ADMIN_TOKEN";

/// A server in a folder. Killed when dropped.
struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    addr: SocketAddr,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpost"));
    command.env_clear().current_dir(folder);
    command
}

fn tool(folder: &Path, args: &[&str]) -> Output {
    let output = command(folder).args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    output
}

/// All tokens in the file, newest first.
fn tokens(folder: &Path) -> Vec<Value> {
    serde_json::from_slice(&tool(folder, &["token", "list", "--json"]).stdout).unwrap()
}

fn new_admin() -> String {
    Token::generate(TokenKind::Admin).reveal().to_owned()
}

impl Server {
    fn start(folder: &Path, admin: Option<&str>) -> Self {
        let mut command = command(folder);
        if let Some(admin) = admin {
            command.env(VARIABLE, admin);
        }
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "text"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let addr = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
            if let Some((_, after)) = line.split_once("addr=") {
                break after.split_whitespace().next().unwrap().parse().unwrap();
            }
        };
        Self { child, log, addr }
    }

    fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addr))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let mut answer = agent.run(request.body(body.to_string()).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        (answer.status().as_u16(), body)
    }

    fn status(&self, token: &str) -> u16 {
        self.ask("GET", "/api/workspaces", token, &Value::Null).0
    }

    /// Makes a token for the one workspace there is.
    fn mint(&self, admin: &str) -> Made {
        let (_, workspaces) = self.ask("GET", "/api/workspaces", admin, &Value::Null);
        let body = json!({
            "comment": "", "scopes": ["workspaces:read"], "workspace_id": workspaces["data"][0]["id"],
        });
        made(&self.ask("POST", TOKENS, admin, &body).1)
    }

    /// Stops it. Returns its log from its start on.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        let mut said = String::new();
        for line in self.log.by_ref().lines() {
            said += &(line.unwrap() + "\n");
        }
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_token_of_the_settings_ends_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (old, new) = (new_admin(), new_admin());
    let server = Server::start(folder, Some(&old));
    assert_eq!(server.status(&old), 200);
    let child = server.mint(&old);
    assert!(!server.stop().contains("WARN"));
    let id = tokens(folder)[1]["id"].clone();

    // Replaced: what it made stays, and belongs to the new one.
    let server = Server::start(folder, Some(&new));
    assert_eq!(
        [&old, &new, &child.token].map(|it| server.status(it)),
        [401, 200, 200]
    );
    let said = server.stop();
    assert!(
        said.contains("has ended") && said.contains(id.as_str().unwrap()),
        "{said}"
    );
    assert!(said.contains("children=1"), "{said}");
    let now = tokens(folder);
    assert_eq!(now.len(), 2, "{now:?}");
    assert_eq!(now[1]["parent_id"], now[0]["id"]);

    // As it was: the first one is accepted again, since nobody revoked it.
    let server = Server::start(folder, Some(&old));
    assert_eq!(
        [&old, &new, &child.token].map(|it| server.status(it)),
        [200, 401, 200]
    );
    server.stop();

    // Taken away, or empty.
    let server = Server::start(folder, Some(""));
    assert_eq!(
        [&old, &new, &child.token].map(|it| server.status(it)),
        [401, 401, 200]
    );
    let said = server.stop();
    assert!(said.contains("has ended"), "{said}");
    assert!(
        !Server::start(folder, None).stop().contains("has ended"),
        "said once"
    );
    assert_eq!(tokens(folder).len(), 1);
}

#[test]
fn two_settings_at_once_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), new_admin()).unwrap();
    let mut command = command(folder.path());
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-token-file",
        "token",
    ]);
    let output = command.env(VARIABLE, new_admin()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("one will do") && said.lines().count() == 1,
        "{said}"
    );
    assert!(!folder.path().join("hookpost.db").exists());
}

#[test]
fn a_revoked_token_of_the_settings_stays_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (admin, another) = (new_admin(), new_admin());
    std::fs::write(folder.join("token"), format!("{admin}\n")).unwrap();
    let with_file = || {
        let mut command = command(folder);
        command.env("HOOKPOST_ADMIN_TOKEN_FILE", "token");
        Server::spawn(&mut command)
    };
    let server = with_file();
    assert_eq!(server.status(&admin), 200);
    let id = tokens(folder)[0]["id"].as_str().unwrap().to_owned();
    // By itself, over the API; the command line comes below.
    let path = format!("{TOKENS}/{id}");
    assert_eq!(server.ask("DELETE", &path, &admin, &Value::Null).0, 204);
    assert_eq!(server.status(&admin), 401);
    server.stop();
    for _ in 0..2 {
        let server = with_file();
        assert_eq!(server.status(&admin), 401);
        let said = server.stop();
        assert!(
            said.contains("--admin-token-file token was revoked at 20"),
            "{said}"
        );
        assert!(!said.contains(&admin));
    }
    // Nor by another setting, nor after others were set.
    let server = Server::start(folder, Some(&another));
    assert_eq!([&admin, &another].map(|it| server.status(it)), [401, 200]);
    server.stop();
    let server = Server::start(folder, Some(&admin));
    assert_eq!([&admin, &another].map(|it| server.status(it)), [401, 401]);
    assert!(
        server
            .stop()
            .contains("HOOKPOST_ADMIN_TOKEN was revoked at 20")
    );
    assert!(tokens(folder).is_empty());
}

#[test]
fn a_token_made_on_the_command_line_lives_on_without_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tool(folder, &["workspace", "create", "w"]);
    let made = tool(folder, &["token", "create", "--admin", "--comment", "mine"]);
    let admin = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let server = Server::start(folder, Some(&admin));
    assert_eq!(server.status(&admin), 200);
    let child = server.mint(&admin);
    server.stop();
    assert_eq!(tokens(folder).len(), 2);
    let server = Server::start(folder, None);
    assert_eq!(server.status(&admin), 200);
    assert!(!server.stop().contains("has ended"));
    // Revoked on the command line it does not come back with the settings; and it takes its own along.
    let id = tokens(folder)[1]["id"].as_str().unwrap().to_owned();
    let revoked = tool(folder, &["token", "revoke", &id]);
    let said = String::from_utf8(revoked.stderr).unwrap();
    assert_eq!(
        said,
        format!("Revoked token {id} and 1 that came from it.\n")
    );
    let server = Server::start(folder, Some(&admin));
    assert_eq!(
        [&admin, &child.token].map(|it| server.status(it)),
        [401, 401]
    );
    assert!(server.stop().contains("was revoked at 20"));
    // One that expires may be in the settings, which does not prolong it.
    let made = tool(
        folder,
        &["token", "create", "--admin", "--expires-in", "1h"],
    );
    let admin = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let said = Server::start(folder, Some(&admin)).stop();
    assert!(said.contains("was made to end at 20"), "{said}");
}

#[test]
fn on_the_command_line_children_are_shown_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let admin = new_admin();
    let server = Server::start(folder, Some(&admin));
    let child = server.mint(&admin);
    let id = tokens(folder)[1]["id"].as_str().unwrap().to_owned();
    assert_eq!(tokens(folder)[0]["parent_id"], id);
    let columns = String::from_utf8(tool(folder, &["token", "list"]).stdout).unwrap();
    assert!(columns.lines().next().unwrap().contains("PARENT"));
    assert!(
        columns.lines().nth(1).unwrap().matches(&id).count() == 1,
        "{columns}"
    );
    let revoked = tool(folder, &["token", "revoke", "--keep-children", &id]);
    let said = String::from_utf8(revoked.stderr).unwrap();
    assert_eq!(
        said,
        format!("Revoked token {id}; 1 that came from it stay.\n")
    );
    let since = std::time::Instant::now();
    while server.status(&admin) != 401 {
        assert!(since.elapsed() < std::time::Duration::from_secs(1));
    }
    assert_eq!(server.status(&child.token), 200);
    assert_eq!(tokens(folder)[0]["parent_id"], Value::Null);
}
