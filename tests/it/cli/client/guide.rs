//! The test of the guide: its commands work as they stand, one after the other.

use super::*;

const GUIDE: &str = include_str!("../../../../docs/guides/command-line.md");

/// The URL of the guide's receiver.
const URL: &str = "https://example.com/hooks";

#[test]
#[cfg(unix)]
fn the_commands_of_the_guide_work() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let blocks = GUIDE.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    // The test sets the server and the token.
    let commands: String = blocks.filter(|block| !block.contains("export")).collect();
    assert!(commands.lines().count() > 15, "{commands}");
    let script = commands.replace(URL, &receiver.url("/hooks"));
    let folder = folder();
    let program = Path::new(env!("CARGO_BIN_EXE_hookpost"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let output = Command::new("sh")
        .args(["-exc", &script])
        .env_clear()
        .env("PATH", path)
        .env("HOOKPOST_SERVER", format!("http://{}", app.addr))
        .env("HOOKPOST_TOKEN", &app.token)
        .stdin(Stdio::null())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    // Seven publishes. The eighth is recovered, one is redelivered and one erased, which may be the same while it is pending.
    receiver.wait("/hooks", 7);
    let failed = std::fs::read_to_string(folder.path().join("failed.json")).unwrap();
    assert_eq!(failed, "[]\n");
}
