//! The test that texts full of markup stay text in a browser, too. `dashboard/markup.rs` reads the same pages as text.

use super::Desk;
use super::session::Scripts;
use crate::dashboard::markup::HostileWorld;

/// Returns what the texts have become, if they have become anything but text.
const INJECTED: &str = "return [
    window.__injected,
    document.querySelectorAll('x-injected, [data-injected], img:not([src^=\"/assets/\"])').length,
    document.querySelectorAll('script:not([src^=\"/assets/\"])').length,
    [...document.querySelectorAll('a[href], form[action]')].filter((element) =>
        new URL(element.href ?? element.action, location).origin !== location.origin).length,
]";

#[test]
fn what_strangers_write_injects_nothing() {
    let world = HostileWorld::new();
    let Some(desk) = Desk::signed_in(&world.app, &world.app.admin, Scripts::Run) else {
        return;
    };
    for path in &world.pages {
        desk.open(path);
        let found = desk.browser.script(INJECTED, &[]);
        assert_eq!(found, serde_json::json!([null, 0, 0, 0]), "{path}");
    }
    // A blocked script or style would be in the console; pages that are not found are, too.
    let refused = desk.browser.console();
    let is_blocked = |line: &&String| line.contains("Content Security Policy");
    assert_eq!(refused.iter().find(is_blocked), None);
}
