//! The tests of where a server listens: Unix sockets, sockets of systemd, and TLS.

mod certificates;
mod handshakes;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rcgen::generate_simple_self_signed;

use super::*;
use crate::fixture::PATIENCE;

/// A server that has said where it listens. Dropping it kills it.
struct Serving {
    child: Child,
    log: Receiver<String>,
    addr: String,
}

impl Serving {
    fn start(mut command: Command) -> Self {
        command.env("HOOKPOST_LOG_FORMAT", "text");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        let addr = String::new();
        let mut server = Self { child, log, addr };
        let line = server.line_with("started");
        let addr = line
            .split("addr=")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next();
        addr.unwrap().clone_into(&mut server.addr);
        server
    }

    /// The next line of the log that contains `text`.
    #[track_caller]
    fn line_with(&self, text: &str) -> String {
        let mut all = Vec::new();
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => all.push(line),
                Err(ended) => panic!("no line with {text} ({ended}): {all:#?}"),
            }
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status();
        assert!(kill.unwrap().success());
    }

    fn stop(mut self) {
        self.signal("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of the answer to a request over a Unix socket.
fn status(socket: &Path, path: &str, headers: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

/// The number of hidden files and folders in a folder.
fn hidden(folder: &Path) -> usize {
    let entries = folder.read_dir().unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.as_encoded_bytes().starts_with(b"."))
        .count()
}

#[test]
fn a_unix_socket_has_its_permissions_and_is_removed_at_the_end() {
    let folder = folder();
    let socket = folder.path().join("api.sock");
    let listen = format!("unix:{}", socket.display());
    let start = || {
        let mut command = command(folder.path(), &["serve", "--listen", &listen]);
        command.args(["--socket-mode", "0600"]);
        Serving::start(command)
    };
    let mut server = start();
    assert_eq!(server.addr, listen);
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(status(&socket, "/readyz", ""), "200");
    let asked = hookpost(folder.path(), &["healthcheck", "--listen", &listen]);
    assert_eq!((asked.status.code(), stdout(&asked)), (Some(0), "ok\n"));

    // The file of another program in its place is not removed.
    fs::remove_file(&socket).unwrap();
    let other = UnixListener::bind(&socket).unwrap();
    server.signal("-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(UnixStream::connect(&socket).is_ok());
    drop(other);

    // A server that could not remove its socket does not keep the next one out.
    let mut server = start();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(socket.exists());
    start().stop();
    assert_eq!(hidden(folder.path()), 0, "no folder is left");
    assert!(!socket.exists());
    let asked = hookpost(folder.path(), &["healthcheck", "--listen", &listen]);
    assert_eq!(asked.status.code(), Some(1));
}

#[test]
fn a_file_that_is_no_socket_and_a_socket_in_use_stay_as_they_are() {
    let folder = folder();
    let socket = folder.path().join("api.sock");
    let listen = format!("unix:{}", socket.display());
    let refused = || {
        let output = hookpost(folder.path(), &["serve", "--listen", &listen]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("--listen"), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    };
    fs::write(&socket, "precious").unwrap();
    refused();
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
    fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    refused();
    assert!(UnixStream::connect(&socket).is_ok());
}

#[test]
fn clients_behind_a_unix_socket_are_told_apart_by_what_the_proxy_says() {
    let folder = folder();
    let socket = folder.path().join("api.sock");
    let listen = format!("unix:{}", socket.display());
    let mut command = command(folder.path(), &["serve", "--listen", &listen]);
    command.args(["--auth-failure-limit", "2"]);
    command.args(["--trusted-proxy", "127.0.0.1"]);
    let server = Serving::start(command);
    let bad = |client: &str| {
        let headers = format!("Authorization: Bearer x\r\n{client}");
        status(&socket, "/api/webhooks/events", &headers)
    };
    let client = "X-Forwarded-For: 192.0.2.1\r\n";
    assert_eq!(
        [bad(client), bad(client), bad(client)],
        ["401", "401", "429"]
    );
    assert_eq!(bad("X-Forwarded-For: 192.0.2.2\r\n"), "401");
    assert_eq!(bad(""), "401");
    server.stop();

    // Without a trusted proxy, all are one client.
    let mut command = super::command(folder.path(), &["serve", "--listen", &listen]);
    command.args(["--auth-failure-limit", "2"]);
    let server = Serving::start(command);
    assert_eq!(
        [bad(client), bad(""), bad("X-Forwarded-For: 192.0.2.2\r\n")],
        ["401", "401", "429"]
    );
    server.stop();
}

#[test]
fn a_socket_of_systemd_is_used_in_place_of_the_address() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_hookpost"), "serve"])
        .args(["--listen", "127.0.0.1:1"])
        .current_dir(folder.path())
        .stdin(Stdio::from(OwnedFd::from(listener)));
    let server = Serving::start(command);
    assert_eq!(server.addr, addr);
    let asked = hookpost(folder.path(), &["healthcheck", "--listen", &addr]);
    assert!(asked.status.success(), "{}", stderr(&asked));
    server.stop();
}

#[test]
#[cfg(target_os = "linux")]
fn systemd_is_told_that_the_server_is_ready_alive_and_stopping() {
    let folder = folder();
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "20000");
    let server = Serving::start(command);
    let mut said = String::new();
    let mut hear = |text: &str| {
        let mut message = [0; 512];
        while !said.contains(text) {
            let length = systemd.recv(&mut message).unwrap();
            said += std::str::from_utf8(&message[..length]).unwrap();
        }
    };
    hear("READY=1");
    hear(&format!("STATUS=serving on {}", server.addr));
    for _ in 0..3 {
        hear("WATCHDOG=1");
    }
    server.signal("-TERM");
    hear("STOPPING=1");
    server.stop();
}

/// Writes a new certificate and its key into the folder.
fn write_certificate(folder: &Path) {
    let made = generate_simple_self_signed(["hooks.example.com".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// A server with the certificate in the folder.
fn serve_tls(folder: &Path) -> Serving {
    let mut command = command(folder, &["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    Serving::start(command)
}

fn healthcheck(folder: &Path, addr: &str, cert: &str) -> Output {
    hookpost(
        folder,
        &["healthcheck", "--listen", addr, "--tls-cert", cert],
    )
}

#[test]
fn the_api_speaks_tls_and_hangup_reads_the_certificate_again() {
    let folder = folder();
    let path = folder.path();
    write_certificate(path);
    let server = serve_tls(path);
    let asked = healthcheck(path, &server.addr, "cert.pem");
    assert_eq!(stdout(&asked), "ok\n", "{}", stderr(&asked));
    let plain = hookpost(path, &["healthcheck", "--listen", &server.addr]);
    assert_eq!(plain.status.code(), Some(1), "without TLS");

    fs::copy(path.join("cert.pem"), path.join("old.pem")).unwrap();
    write_certificate(path);
    let asked = healthcheck(path, &server.addr, "cert.pem");
    assert_eq!(asked.status.code(), Some(1), "not read again yet");
    server.signal("-HUP");
    server.line_with("read the certificate of the API again");
    let asked = healthcheck(path, &server.addr, "cert.pem");
    assert_eq!(stdout(&asked), "ok\n", "{}", stderr(&asked));
    assert_eq!(
        healthcheck(path, &server.addr, "old.pem").status.code(),
        Some(1)
    );

    // A certificate that cannot be used does not replace the one that is.
    fs::copy(path.join("cert.pem"), path.join("good.pem")).unwrap();
    fs::write(path.join("cert.pem"), "no certificate").unwrap();
    server.signal("-HUP");
    let line = server.line_with("goes on with the old certificate");
    assert!(line.contains("--tls-cert"), "{line}");
    assert_eq!(stdout(&healthcheck(path, &server.addr, "good.pem")), "ok\n");
    server.stop();
}

#[test]
fn hangup_reads_the_level_of_the_log_again() {
    let folder = folder();
    let file = folder.path().join("hookpost.toml");
    fs::write(&file, "log-level = \"info\"\n").unwrap();
    let start = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--config",
        "hookpost.toml",
    ];
    let server = Serving::start(command(folder.path(), &start));
    fs::write(&file, "log-level = \"loud\"\n").unwrap();
    server.signal("-HUP");
    let line = server.line_with("the log keeps its level");
    assert!(line.contains("line 1, log-level: 'loud'"), "{line}");
    fs::write(&file, "log-level = \"debug\"\n").unwrap();
    server.signal("-HUP");
    server.line_with("the level of the log was read again");
    let asked = hookpost(folder.path(), &["healthcheck", "--listen", &server.addr]);
    assert!(asked.status.success());
    // Answered probes are lines at debug alone.
    server.line_with("route=/readyz");
    server.stop();
}

#[test]
fn a_client_that_never_ends_its_handshake_is_closed() {
    let folder = folder();
    write_certificate(folder.path());
    let server = serve_tls(folder.path());
    let mut silent = std::net::TcpStream::connect(&server.addr).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let start = Instant::now();
    assert_eq!(silent.read(&mut [0; 16]).unwrap(), 0);
    assert!(start.elapsed() < PATIENCE);
    server.stop();
}
