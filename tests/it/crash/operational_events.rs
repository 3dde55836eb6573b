//! The tests that an operational event is stored together with what it tells of.

use std::os::unix::process::ExitStatusExt;

use serde_json::json;

use super::server::{Start, TestDir, wait_until};
use crate::receiver::Receiver;

/// The signal with which `abort` ends a process.
const SIGABRT: i32 = 6;

const WITH_OPERATOR: Start<'static> = Start {
    flags: &["--operator-workspace", "operations"],
    shell: None,
    reader: super::log::Reader::Reads,
    port: 0,
};

const DISABLED: &str = "SELECT count(*) FROM endpoint WHERE disabled = 1";
const TOLD: &str = "SELECT count(*) FROM message m JOIN event_type t ON t.n = m.type
    WHERE t.name = 'hookpost.endpoint.disabled'";

#[test]
fn an_endpoint_is_disabled_and_told_of_or_neither() {
    for (point, is_there) in [("commit-outcome abort", 0), ("committed-outcome abort", 1)] {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        receiver.reply("/a", 410, "");
        let server = dir.start_with(&WITH_OPERATOR);
        server.endpoint(&receiver.url("/a"), "raw");
        dir.arm(point);
        // It may die before it has answered.
        let _ = server.publish(&json!(1));
        assert_eq!(server.spawned.ended().signal(), Some(SIGABRT));
        dir.disarm();
        dir.check();
        let found = (dir.number(DISABLED), dir.number(TOLD));
        assert_eq!(found, (is_there, is_there), "{point}");
        let server = dir.start_with(&WITH_OPERATOR);
        wait_until("the endpoint is disabled", || dir.number(DISABLED) == 1);
        assert_eq!(dir.number(TOLD), 1, "{point}");
        server.stop();
        dir.check();
    }
}
