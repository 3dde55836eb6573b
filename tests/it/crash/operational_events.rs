//! The tests that an operational event is stored together with what it tells of.

use std::os::unix::process::ExitStatusExt;

use serde_json::json;

use super::server::{Start, TestDir};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

/// The signal with which `abort` ends a process.
const SIGABRT: i32 = 6;

const WITH_OPERATOR: Start<'static> = Start {
    flags: &[
        "--operator-workspace",
        "operations",
        "--disable-after",
        "1",
        "--retry-schedule",
        "1s",
    ],
    shell: None,
    reader: super::log::Reader::Reads,
    port: 0,
};

const TOLD: &str = "SELECT count(*) FROM message m JOIN event_type t ON t.n = m.type
    WHERE t.name = 'hookpost.endpoint.disabled'";

/// Kills a server before and after it commits the attempt that disables an endpoint. `reason`: its number in the file.
fn an_endpoint_is_disabled_and_told_of_or_neither(status: u16, attempt: u32, reason: u32) {
    let disabled = format!("SELECT count(*) FROM endpoint WHERE disabled = {reason}");
    for (point, is_there) in [("commit-outcome", 0), ("committed-outcome", 1)] {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        receiver.reply("/a", status, "");
        let server = dir.start_with(&WITH_OPERATOR);
        server.endpoint(&receiver.url("/a"), "raw");
        dir.arm(&format!("{point} abort {attempt}"));
        // It may die before it has answered.
        let _ = server.publish(&json!(1));
        assert_eq!(server.spawned.ended().signal(), Some(SIGABRT));
        dir.disarm();
        dir.check();
        let found = (dir.number(&disabled), dir.number(TOLD));
        assert_eq!(found, (is_there, is_there), "{point}");
        let server = dir.start_with(&WITH_OPERATOR);
        wait_until("the endpoint is disabled", || dir.number(&disabled) == 1);
        assert_eq!(dir.number(TOLD), 1, "{point}");
        server.stop();
        dir.check();
    }
}

#[test]
fn an_endpoint_that_is_gone_is_disabled_and_told_of_or_neither() {
    an_endpoint_is_disabled_and_told_of_or_neither(410, 1, 1);
}

#[test]
fn an_endpoint_that_fails_is_disabled_and_told_of_or_neither() {
    // Its only event fails with the second attempt.
    an_endpoint_is_disabled_and_told_of_or_neither(404, 2, 2);
}
