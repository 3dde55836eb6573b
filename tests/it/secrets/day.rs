//! A day's work with credentials everywhere, also where they do not belong.

use std::path::Path;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hookpost::domain::access::{Token, TokenKind};
use hookpost::domain::secret::{Secret, SecretType};
use serde_json::{Value, json};

use super::super::fixture::PATIENCE;
use super::super::receiver::Receiver;
use super::search::Credentials;
use super::server::{Server, hookpost, output};

/// A day's work, and what came of it.
pub(super) struct Day {
    /// All that went to the log or to a terminal, save for tokens that were asked for.
    pub(super) said: String,
    /// The bodies of all refusals of requests that had their credentials in the right place.
    pub(super) refusals: String,
    /// All files of the database.
    pub(super) stored: Vec<u8>,
    /// Whatever must not be shown.
    pub(super) credentials: Credentials,
    /// The part of them that may not even be stored.
    pub(super) tokens: Credentials,
    /// A secret that is stored.
    pub(super) kept: String,
}

impl Day {
    /// Works through it.
    pub(super) fn work(format: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start();
        let admin = Token::generate(TokenKind::Admin).reveal().to_owned();
        let server = Server::start(folder.path(), format, &admin);
        let mut day = Self {
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
        day.private_keys_and_old_secrets_stay(&server, &receiver, &token);
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

    fn token(&mut self, token: &str) {
        self.credentials.add(token);
        self.tokens.add(token);
    }

    pub(super) fn refused(&mut self, (status, body): (u16, String)) {
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
        let header = "Hd3kQw8vNz5tBx1yCm6pJr9sLf4gTa7u";
        for secret in [own, &whsec, slack, header] {
            self.credentials.add(secret);
        }
        for (at, url) in urls.iter().enumerate() {
            let mut new = json!({"url": url, "format": "raw", "events": ["*"]});
            new["headers"] = json!({"Authorization": format!("Basic {header}")});
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
            let headers = json!({"url": "https://e.com", "format": "raw", "events": [], "headers": {
                "X-Key": bad, "Host": secret, "X-Long": secret.repeat(200),
            }});
            self.refused(server.call("POST", target, token, &headers.to_string()));
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
        let pair = Secret::generate_of(SecretType::Ed25519).reveal().to_owned();
        self.credentials.add(&pair);
        for misplaced in [&secret, &pair, plain, token] {
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
                    format!("/api/webhooks/endpoints/{text}/secret?secret={text}"),
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
            (format!("x-request-id: {token}"), ""),
            (
                format!("traceparent: {token}\r\ntracestate: {token}={token}"),
                "",
            ),
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
