//! The tests of `hookpost workspace retention`.

use super::super::fixture::TestApp;
use super::*;

#[test]
fn a_workspace_gets_times_of_its_own_beside_a_running_server() {
    let app = TestApp::start();
    let folder = folder();
    let run = |args: &[&str]| {
        let args = [args, &["--database", app.database()]].concat();
        let output = hookpost(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    let shop = &app.workspace;
    let servers = "payloads  as long as the server (its --archive-after)\n\
                   messages  as long as the server (its --delete-after)\n";
    assert_eq!(run(&["workspace", "retention", shop]), servers);
    assert!(!run(&["workspace", "list"]).contains("AFTER"));
    let set = ["workspace", "retention", shop, "--archive-after", "36h"];
    let own = "payloads  36h, or the server's --archive-after if that is shorter\n\
               messages  as long as the server (its --delete-after)\n";
    assert_eq!(run(&set), own);
    assert_eq!(run(&["workspace", "retention", shop]), own);
    let set = [
        "workspace",
        "retention",
        shop,
        "--delete-after",
        "30d",
        "--json",
    ];
    let printed: serde_json::Value = serde_json::from_str(&run(&set)).unwrap();
    let shown = app.get(&format!("/api/workspaces/{shop}")).expect(200);
    assert_eq!(printed, shown);
    assert_eq!(shown["archive_after"], 129_600);
    assert_eq!(shown["delete_after"], 2_592_000);
    let list = run(&["workspace", "list"]);
    assert!(
        list.lines()
            .next()
            .unwrap()
            .ends_with("  ARCHIVE AFTER  DELETE AFTER")
    );
    assert!(list.contains("  36h            30d\n"), "{list}");
    let back = ["--archive-after", "0", "--delete-after", "0"];
    let back = [&["workspace", "retention", shop][..], &back].concat();
    assert_eq!(run(&back), servers);
}

#[test]
fn times_that_a_workspace_cannot_have_are_refused() {
    let folder = folder();
    let refused = |args: &[&str], says: &str| {
        let output = command(
            folder.path(),
            &[&["workspace", "retention", "shop"], args].concat(),
        )
        // Those of the server are not the workspace's.
        .env("HOOKPOST_ARCHIVE_AFTER", "7d")
        .output()
        .unwrap();
        assert!(!output.status.success());
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    };
    hookpost(folder.path(), &["workspace", "create", "other"]);
    refused(&[], "hookpost: there is no workspace shop\n");
    refused(&["--archive-after", "1500ms"], "must be whole seconds");
    let day = "must be 0, or between 1d and 36500d";
    refused(&["--delete-after", "23h"], day);
    refused(&["--delete-after", "36501d"], day);
    refused(
        &["--archive-after", "36501d"],
        "must be 0, or between 1s and 36500d",
    );
}
