//! Damaged pages and indexes, and repairs that are killed.

use super::*;

/// Writes garbage over a page of a table or an index.
fn overwrite(dir: &TestDir, tree: &str) {
    let root = dir.number(&format!(
        "SELECT rootpage FROM sqlite_schema WHERE name = '{tree}'"
    ));
    alter(dir, "");
    let mut bytes = std::fs::read(&dir.database).unwrap();
    let from = (usize::try_from(root).unwrap() - 1) * PAGE;
    bytes[from..from + PAGE].fill(0xA5);
    std::fs::write(&dir.database, bytes).unwrap();
}

fn old_file(database: &Path) -> PathBuf {
    PathBuf::from(format!("{}.damaged", database.display()))
}

#[test]
fn an_index_whose_page_is_garbage_is_made_anew_from_its_table() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    for tree in [
        "sqlite_autoindex_event_1",
        "event_retry",
        "event_of_endpoint",
        "delivery_count",
    ] {
        let damaged = copy(&dir);
        let before = rows(&damaged);
        overwrite(&damaged, tree);
        assert_finds(&damaged, &format!("({tree}: Tree "));
        let repaired = repair(&damaged);
        assert_eq!(repaired.status.code(), Some(0), "{}", said(&repaired));
        assert_eq!(rows(&damaged), before);
        assert_sound(&damaged);
        let old = old_file(&damaged.database);
        assert!(text(&repaired.stdout).contains(old.to_str().unwrap()));
        assert!(old.exists() && !damaged.beside("-rewritten").exists());
        let mode = std::fs::metadata(&damaged.database)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        damaged.start_with(&ONE_RETRY).stop();
    }
}

#[test]
fn an_index_that_disagrees_with_its_table_is_made_anew_in_place() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    alter(
        &dir,
        "CREATE TEMP TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'delivery_by_event';
         PRAGMA writable_schema = ON;
         DELETE FROM sqlite_schema WHERE name = 'delivery_by_event';
         PRAGMA writable_schema = RESET;
         UPDATE delivery SET event = event + 1 WHERE seq = 1;
         UPDATE delivery SET event = event - 1 WHERE seq = 1;
         INSERT INTO delivery (seq, id, event, endpoint, workspace, type, attempt, succeeded, duration_ms,
             created_at)
           SELECT seq + 1, x'00', event, endpoint, workspace, type, 1, 0, 0, created_at + 1
           FROM delivery ORDER BY seq DESC LIMIT 1;
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema SELECT * FROM kept;
         PRAGMA writable_schema = RESET;",
    );
    assert_finds(&dir, "indexes that disagree with their table");
    let repaired = repair(&dir);
    assert_eq!(repaired.status.code(), Some(0), "{}", said(&repaired));
    assert!(!old_file(&dir.database).exists(), "in place");
    assert_sound(&dir);
}

#[test]
fn a_damaged_table_and_what_another_program_made_are_left_as_they_are() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    let damaged = copy(&dir);
    overwrite(&damaged, "event");
    let bytes = std::fs::read(&damaged.database).unwrap();
    assert_finds(&damaged, "(event: Tree ");
    let refused = repair(&damaged);
    assert_eq!(refused.status.code(), Some(UNSOUND), "{}", said(&refused));
    assert!(text(&refused.stderr).contains("restore a backup"));
    assert!(std::fs::read(&damaged.database).unwrap() == bytes);
    assert!(!damaged.beside("-rewritten").exists());

    alter(
        &dir,
        "CREATE TRIGGER theirs AFTER INSERT ON event BEGIN SELECT 1; END",
    );
    assert_finds(
        &dir,
        "triggers or indexes on our tables that are not ours: 1 (theirs)",
    );
    assert_eq!(repair(&dir).status.code(), Some(UNSOUND));
    alter(&dir, "DROP TRIGGER theirs; CREATE TABLE other (a)");
    assert_sound(&dir);
}

#[test]
fn a_repair_that_is_killed_anywhere_loses_nothing_and_is_made_again() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    let kept = rows(&dir);
    let rows_damaged = "UPDATE event SET workspace = 7; UPDATE delivery SET endpoint = 9;
        DELETE FROM event_of_endpoint; DELETE FROM delivery_of_type;
        INSERT INTO event_count VALUES (0, 0, 1, 2, 5); UPDATE event SET run = 0 WHERE seq = 3;";
    let mut crashes = 0;
    for point in ["repairing", "rewritten", "exchanged"] {
        for time in 1..40 {
            let damaged = copy(&dir);
            alter(&damaged, rows_damaged);
            if point != "repairing" {
                overwrite(&damaged, "sqlite_autoindex_event_1");
            }
            damaged.arm(&format!("{point} abort {time}"));
            let output = repair(&damaged);
            damaged.disarm();
            if output.status.signal() != Some(SIGABRT) {
                assert_eq!(output.status.code(), Some(0), "{}", said(&output));
                break;
            }
            crashes += 1;
            if point == "repairing" {
                // The pages are sound, whatever was done of the rest.
                let connection: Connection = damaged.open();
                let whole: String = connection
                    .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                    .unwrap();
                assert_eq!(whole, "ok");
            }
            let again = repair(&damaged);
            assert_eq!(
                again.status.code(),
                Some(0),
                "{point} {time}: {}",
                said(&again)
            );
            assert_eq!(rows(&damaged), kept, "{point} {time}");
            assert_sound(&damaged);
            assert!(!damaged.beside("-rewritten").exists());
            if point == "exchanged" {
                assert!(old_file(&damaged.database).exists());
            }
        }
    }
    assert!(crashes > 6, "{crashes}");
}
