//! The tests of certificates at a start: that of the API, and the one for receivers.

use super::*;

/// An encrypted key, in PKCS #8 and in the older form. The bytes are of no key.
const ENCRYPTED: [&str; 2] = [
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
     -----END RSA PRIVATE KEY-----\n",
];

#[test]
fn a_certificate_that_cannot_be_used_ends_the_start_in_one_line() {
    let folder = folder();
    let path = folder.path();
    write_certificate(path);
    fs::rename(path.join("key.pem"), path.join("other.pem")).unwrap();
    write_certificate(path);
    fs::write(path.join("empty.pem"), "").unwrap();
    fs::write(path.join("locked.pem"), ENCRYPTED[0]).unwrap();
    fs::write(path.join("old-locked.pem"), ENCRYPTED[1]).unwrap();
    for (of_cert, of_key) in [
        ("--tls-cert", "--tls-key"),
        ("--client-cert", "--client-key"),
    ] {
        let locked = "its private key is encrypted; `openssl pkey -in KEY -out NEW` decrypts it";
        for (cert, key, says) in [
            (
                "none.pem",
                "key.pem",
                format!("none.pem ({of_cert}): No such file"),
            ),
            (
                "empty.pem",
                "key.pem",
                format!("empty.pem ({of_cert}): it has no certificate in PEM"),
            ),
            (
                "cert.pem",
                "empty.pem",
                format!("empty.pem ({of_key}): it has no private key in PEM"),
            ),
            (
                "cert.pem",
                "other.pem",
                format!("with its key ({of_key}): it is the key of another certificate"),
            ),
            (
                "cert.pem",
                "locked.pem",
                format!("locked.pem ({of_key}): {locked}"),
            ),
            (
                "cert.pem",
                "old-locked.pem",
                format!("old-locked.pem ({of_key}): {locked}"),
            ),
        ] {
            let listen = ["serve", "--listen", "127.0.0.1:0"];
            let output = hookpost(path, &[&listen[..], &[of_cert, cert, of_key, key]].concat());
            assert_eq!(output.status.code(), Some(1), "{says}");
            assert!(stderr(&output).contains(&says), "{}", stderr(&output));
            assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
            assert!(!path.join("hookpost.db").exists());
        }
        for (set, file, missing) in [(of_cert, "cert.pem", of_key), (of_key, "key.pem", of_cert)] {
            let output = hookpost(path, &["serve", "--listen", "127.0.0.1:0", set, file]);
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(
                stderr(&output),
                format!("hookpost: {set} needs {missing}\n")
            );
        }
    }
}

#[test]
fn hangup_reads_the_client_certificate_again() {
    let folder = folder();
    let path = folder.path();
    write_certificate(path);
    let mut command = command(path, &["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--client-cert", "cert.pem", "--client-key", "key.pem"]);
    let server = Serving::start(command);
    write_certificate(path);
    server.signal("-HUP");
    server.line_with("read the client certificate again");
    fs::write(path.join("key.pem"), "no key").unwrap();
    server.signal("-HUP");
    let line = server.line_with("goes on with the old certificate");
    assert!(line.contains("--client-key"), "{line}");
    server.stop();
}
