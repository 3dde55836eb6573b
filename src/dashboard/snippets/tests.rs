//! The programs, run with the signatures of deliveries by the languages that this machine has.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::*;
use crate::domain::signature::signature_header;

/// The programs for Rust, as this compiler takes them.
#[expect(unreachable_pub, reason = "whoever copies the program needs it")]
mod rust_library {
    include!("rust_library.txt");
}
#[expect(unreachable_pub, reason = "whoever copies the program needs it")]
mod rust_text {
    include!("rust_text.txt");
}
#[expect(unreachable_pub, reason = "whoever copies the program needs it")]
mod rust_ed25519 {
    include!("rust_ed25519.txt");
}

const ID: Uuid = Uuid::from_u128(0x0190_0000_0000_4000_8000_0000_0000_0001);

const BODY: &str = "{\"type\": \"order.paid\", \"data\": \"é 'quoted'\"}";

/// A request as a receiver gets it.
struct Request {
    timestamp: String,
    signature: String,
}

impl Request {
    fn signed_with(secret: &Secret) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let timestamp = i64::try_from(now.as_secs()).unwrap();
        Self {
            timestamp: timestamp.to_string(),
            signature: signature_header([secret], ID, timestamp, BODY.as_bytes()),
        }
    }

    /// Puts the headers into a text, which has their names in capitals.
    fn fill(&self, text: &str) -> String {
        text.replace("WEBHOOK_ID", &ID.to_string())
            .replace("WEBHOOK_TIMESTAMP", &self.timestamp)
            .replace("WEBHOOK_SIGNATURE", &self.signature)
    }
}

fn whsec() -> Secret {
    Secret::generate()
}

fn text() -> Secret {
    Secret::parse("it's a text of more than 32 characters; $HOME `id` \\").unwrap()
}

fn key_pair() -> Secret {
    Secret::generate_of(SecretType::Ed25519)
}

fn code(id: &str, secret: &Secret) -> String {
    let mut all = snippets(secret).into_iter();
    let found = all.find(|snippet| snippet.id == id).unwrap();
    found.code.into_owned()
}

/// Runs a program in a folder with the body in `body.json`, and returns what it prints. `None`, with a line that says
/// so, if this machine does not have the language.
fn run(command: &[&str], file: &str, program: &str, secret: &Secret) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(file), program).unwrap();
    fs::write(folder.path().join("body.json"), BODY).unwrap();
    let command = command.join(" ");
    if !exists(command.split(' ').next().unwrap(), folder.path()) {
        eprintln!("SKIPPED: this machine has no {command}");
        return None;
    }
    // The shell reads the line that the page shows.
    let script = format!("{}\n{command} {file}", export_line(secret));
    let ran = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{out}{err}\n{program}");
    Some(out.trim().to_owned())
}

fn exists(program: &str, folder: &Path) -> bool {
    let script = format!("command -v {program}");
    let looked = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .output();
    looked.unwrap().status.success()
}

/// Runs the program of a language with more lines at its end, which verify the body and print the type of the event
/// and, after that, that a changed body is refused.
fn check(id: &str, command: &[&str], file: &str, rest: &str, secret: &Secret) {
    let request = Request::signed_with(secret);
    let program = code(id, secret) + &request.fill(rest);
    if let Some(printed) = run(command, file, &program, secret) {
        assert_eq!(printed, "order.paid\nrefused");
    }
}

#[test]
fn node() {
    let rest = r#"
import { readFileSync } from "node:fs";
const body = readFileSync("body.json");
const sent = {"webhook-id": "WEBHOOK_ID", "webhook-timestamp": "WEBHOOK_TIMESTAMP", "webhook-signature": "WEBHOOK_SIGNATURE"};
console.log(verify(body, sent).type);
try { verify(body + " ", sent); } catch (error) { console.log("refused"); }
"#;
    for secret in [text(), key_pair()] {
        check("node", &["node"], "program.mjs", rest, &secret);
    }
}

#[test]
fn python() {
    let rest = r#"
body = open("body.json", "rb").read()
sent = {"webhook-id": "WEBHOOK_ID", "webhook-timestamp": "WEBHOOK_TIMESTAMP", "webhook-signature": "WEBHOOK_SIGNATURE"}
print(verify(body, sent)["type"])
try:
    verify(body + b" ", sent)
except ValueError:
    print("refused")
"#;
    check("python", &["python3"], "program.py", rest, &text());
    let has_library = "python3 -c 'import cryptography'";
    let tried = Command::new("sh").args(["-c", has_library]).output();
    if tried.unwrap().status.success() {
        check("python", &["python3"], "program.py", rest, &key_pair());
    } else {
        eprintln!("SKIPPED: this machine's Python has no cryptography");
    }
}

#[test]
fn ruby() {
    let rest = r#"
body = File.binread("body.json")
sent = {"webhook-id" => "WEBHOOK_ID", "webhook-timestamp" => "WEBHOOK_TIMESTAMP", "webhook-signature" => "WEBHOOK_SIGNATURE"}
puts verify(body, sent)["type"]
begin
  verify(body + " ", sent)
rescue RuntimeError
  puts "refused"
end
"#;
    for secret in [whsec(), text()] {
        check("ruby", &["ruby"], "program.rb", rest, &secret);
    }
}

#[test]
fn go() {
    for secret in [whsec(), text(), key_pair()] {
        let request = Request::signed_with(&secret);
        let rest = r#"
func main() {
	body, _ := os.ReadFile("body.json")
	sent := http.Header{}
	sent.Set("webhook-id", "WEBHOOK_ID")
	sent.Set("webhook-timestamp", "WEBHOOK_TIMESTAMP")
	sent.Set("webhook-signature", "WEBHOOK_SIGNATURE")
	if err := Verify(sent, body); err != nil {
		panic(err)
	}
	if err := Verify(sent, append(body, ' ')); err != nil {
		os.Stdout.WriteString("refused")
	}
}
"#;
        let program = code("go", &secret).replace("package webhooks", "package main");
        let program = program + &request.fill(rest);
        if let Some(printed) = run(&["go", "run"], "program.go", &program, &secret) {
            assert_eq!(printed, "refused");
        }
    }
}

#[test]
fn php() {
    for secret in [whsec(), text(), key_pair()] {
        let rest = r#"
$_SERVER['HTTP_WEBHOOK_ID'] = 'WEBHOOK_ID';
$_SERVER['HTTP_WEBHOOK_TIMESTAMP'] = 'WEBHOOK_TIMESTAMP';
$_SERVER['HTTP_WEBHOOK_SIGNATURE'] = 'WEBHOOK_SIGNATURE';
echo verify()['type'], "\n";
file_put_contents('body.json', ' ', FILE_APPEND);
try { verify(); } catch (RuntimeException $error) { echo "refused\n"; }
"#;
        // `fill` would change the names of the headers as well.
        let request = Request::signed_with(&secret);
        let rest = rest
            .replace("'WEBHOOK_ID'", &format!("'{ID}'"))
            .replace("'WEBHOOK_TIMESTAMP'", &format!("'{}'", request.timestamp))
            .replace("'WEBHOOK_SIGNATURE'", &format!("'{}'", request.signature));
        let program = code("php", &secret).replace("php://input", "body.json") + &rest;
        if let Some(printed) = run(&["php"], "program.php", &program, &secret) {
            assert_eq!(printed, "order.paid\nrefused");
        }
    }
}

#[test]
fn openssl() {
    for secret in [whsec(), text()] {
        let request = Request::signed_with(&secret);
        let program = code("openssl", &secret)
            .replace("ID=…", &format!("ID={ID}"))
            .replace("TIMESTAMP=…", &format!("TIMESTAMP={}", request.timestamp));
        if !exists("openssl", Path::new("/")) {
            eprintln!("SKIPPED: this machine has no openssl");
            return;
        }
        let printed = run(&["sh"], "program.sh", &program, &secret).unwrap();
        let parts: Vec<_> = request.signature.split(' ').collect();
        assert!(
            parts.contains(&printed.as_str()),
            "{printed} is not one of {parts:?}"
        );
    }
}

#[test]
fn rust_compiles() {
    let _ = (
        rust_library::verify,
        rust_text::verify,
        rust_ed25519::verify,
    );
}

#[test]
fn no_program_has_a_part_that_was_not_filled_in() {
    let pair = key_pair();
    for secret in [whsec(), text(), pair.clone()] {
        for snippet in snippets(&secret) {
            assert!(!snippet.code.contains("@KEY@"), "{}", snippet.id);
            let is_key_pair = snippet.code.contains("WEBHOOK_PUBLIC_KEY");
            assert_eq!(is_key_pair, secret == pair, "{}", snippet.id);
        }
    }
}
