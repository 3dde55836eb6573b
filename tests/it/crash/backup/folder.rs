//! The tests of a folder of backups, as a timer uses it.

use std::collections::BTreeSet;

use super::{assert_failed, assert_succeeded};
use crate::crash::server::{TestDir, text};

/// Older backups, oldest first.
const OLD: [&str; 3] = [
    "hookpost-20250101T000000Z.db",
    "hookpost-20250102T000000Z.db.gz",
    "hookpost-20250103T000000Z.db",
];

/// A file that is no backup.
const OTHER: &str = "hookpost-20250101T000000Z.db.txt";

fn with_folder() -> (TestDir, std::path::PathBuf) {
    let dir = TestDir::new();
    let folder = dir.file("backups");
    std::fs::create_dir(&folder).unwrap();
    for name in OLD.iter().chain(&[OTHER]) {
        std::fs::write(folder.join(name), "old").unwrap();
    }
    (dir, folder)
}

fn names(folder: &std::path::Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_folder_keeps_the_newest_and_every_other_file() {
    let (dir, folder) = with_folder();
    let left = "hookpost-20250104T000000Z.db.gz.partial";
    std::fs::write(folder.join(left), "of a killed run").unwrap();
    let made = dir.run(&["backup", "--to", "backups", "--keep", "2", "--compress"]);
    assert_succeeded(&made);
    let made = text(&made.stdout).trim_end().rsplit('/').next().unwrap();
    assert!(made.ends_with("Z.db.gz"), "{made}");
    let expected = [OTHER, OLD[2], made].map(str::to_owned);
    assert_eq!(names(&folder), BTreeSet::from(expected));
    dir.remove_database();
    dir.restored(&format!("backups/{made}"), &[]);
}

#[test]
fn nothing_is_removed_unless_the_new_backup_is_complete() {
    let (dir, folder) = with_folder();
    let before = names(&folder);
    let keep_one = ["backup", "--to", "backups", "--keep", "1"];
    dir.arm("copy-write full");
    assert_failed(&dir.run(&keep_one), "no storage space");
    assert_eq!(names(&folder), before);
    dir.arm("backup-written abort");
    assert!(!dir.run(&keep_one).status.success());
    let partial: Vec<String> = names(&folder).difference(&before).cloned().collect();
    assert_eq!(partial.len(), 1);
    assert!(partial[0].ends_with(".db.partial"), "{partial:?}");
    // Killed when the new one is there, and none of the old ones was removed.
    dir.arm("backup-named abort");
    assert!(!dir.run(&keep_one).status.success());
    let now = names(&folder);
    assert!(before.is_subset(&now) && now.len() == before.len() + 1);
    let made: Vec<String> = now.difference(&before).cloned().collect();
    assert!(made[0].ends_with("Z.db"), "{made:?}");
    dir.remove_database();
    dir.disarm();
    dir.restored(&format!("backups/{}", made[0]), &[]);
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let dir = TestDir::new();
    assert_failed(&dir.run(&["backup", "--to", "nowhere"]), "nowhere");
    assert_failed(&dir.run(&["backup", "--to", "h.db"]), "is not a folder");
    for args in [
        &["backup"][..],
        &["backup", "copy", "--to", "."],
        &["backup", "copy", "--keep", "2"],
        &["backup", "--to", ".", "--keep", "0"],
    ] {
        assert_eq!(dir.run(args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(dir.names_of_database(), dir.names());
}

#[test]
fn a_copy_of_a_damaged_database_pushes_out_no_good_one() {
    let (dir, folder) = with_folder();
    dir.fill(super::MANY);
    let before = names(&folder);
    let mut bytes = std::fs::read(&dir.database).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 40_960] {
        *byte ^= 0x55;
    }
    std::fs::write(&dir.database, bytes).unwrap();
    let output = dir.run(&["backup", "--to", "backups", "--keep", "1"]);
    assert_failed(&output, "is damaged");
    assert_eq!(names(&folder), before);
}
