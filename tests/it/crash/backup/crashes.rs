//! The tests of backups and restores that are killed between two steps.

use std::os::unix::process::ExitStatusExt;

use super::{MANY, messages, publish};
use crate::crash::server::{TestDir, text};

/// The signal with which `abort` ends a process.
const SIGABRT: i32 = 6;

/// Runs a command that its fail point kills.
#[track_caller]
fn killed(dir: &TestDir, point: &str, args: &[&str]) {
    dir.arm(&format!("{point} abort"));
    let output = dir.run(args);
    let said = text(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{point}: {said}");
    dir.disarm();
}

#[test]
fn a_killed_backup_is_none_and_the_next_one_clears_what_it_left() {
    let dir = TestDir::new();
    dir.fill(MANY);
    let before = dir.names();
    for point in ["copy-write", "backup-written"] {
        killed(&dir, point, &["backup", "copy"]);
        assert!(!dir.file("copy").exists(), "{point}");
        assert!(dir.file("copy.partial").exists(), "{point}");
    }
    killed(&dir, "backup-named", &["backup", "copy"]);
    let mut after = before;
    after.insert("copy".to_owned());
    assert_eq!(dir.names(), after);
    assert_eq!(messages(&dir.file("copy")), MANY);
}

#[test]
fn a_killed_restore_leaves_the_old_database_or_the_new_one() {
    // Whether the new database is in its place.
    for (point, is_new) in [
        ("copy-write", false),
        ("restore-checked", false),
        ("restore-alone", false),
        ("restore-swapped", true),
    ] {
        let dir = TestDir::new();
        dir.fill(MANY);
        dir.backed_up("copy", &[]);
        // The newest message is in the log alone.
        let server = dir.start();
        publish(&server, 1);
        server.spawned.kill();
        server.spawned.ended();
        let log = std::fs::read(dir.beside("-wal")).unwrap();
        assert!(!log.is_empty());
        killed(&dir, point, &["restore", "copy", "--replace"]);
        let (old, new) = (MANY + 1, MANY);
        let server = dir.start();
        publish(&server, 1);
        server.stop();
        let found = messages(&dir.database);
        assert_eq!(found, if is_new { new } else { old } + 1, "{point}");

        dir.restored("copy", &["--replace"]);
        assert_eq!(messages(&dir.database), new, "{point}");
        let names = dir.names_of_database();
        let kept = names.iter().filter(|name| name.contains(".replaced-"));
        let mut kept: Vec<i64> = kept.map(|name| messages(&dir.file(name))).collect();
        kept.sort_unstable();
        let expected = match point {
            "copy-write" => vec![old + 1],
            // The new one, which was complete.
            "restore-checked" | "restore-alone" => vec![new, old + 1],
            _ => vec![new + 1, old],
        };
        assert_eq!(kept, expected, "{point}: {names:?}");
        let temporary = |name: &String| name.contains(".restor");
        assert!(!names.iter().any(temporary), "{point}: {names:?}");
    }
}
