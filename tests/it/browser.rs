//! The tests of the dashboard in a real browser, Debian's Chromium.
//!
//! Without a browser they are skipped, and say so on the terminal; with `HOOKPOST_BROWSER_TESTS=1` a missing browser
//! is a failure.
#![cfg(unix)]

mod driver;

use std::time::Instant;

use self::driver::{Browser, Element, Scripts};
use super::fixture::{PATIENCE, TestApp};

/// A browser at the dashboard of an application.
struct Desk<'a> {
    app: &'a TestApp,
    browser: Browser,
}

impl<'a> Desk<'a> {
    /// With somebody signed in, through the form.
    fn signed_in(app: &'a TestApp, token: &str, scripts: Scripts) -> Option<Self> {
        let browser = Browser::start(scripts)?;
        let desk = Self { app, browser };
        desk.open("/login");
        desk.find("#token").fill(token);
        desk.click("button.primary");
        desk.wait_for_path("/");
        Some(desk)
    }

    fn open(&self, path: &str) {
        self.browser
            .open(&format!("http://{}{path}", self.app.addr));
    }

    /// Returns the path and query of the page.
    fn path(&self) -> String {
        let url = self.browser.url();
        let own = format!("http://{}", self.app.addr);
        url.strip_prefix(&own).unwrap_or(&url).to_owned()
    }

    /// Returns the one element that a selector finds.
    #[track_caller]
    fn find(&self, selector: &str) -> Element<'_> {
        let mut found = self.browser.all(selector);
        assert_eq!(
            found.len(),
            1,
            "{selector} at {}: {}",
            self.path(),
            self.text()
        );
        found.remove(0)
    }

    #[track_caller]
    fn click(&self, selector: &str) {
        self.find(selector).click();
    }

    /// Returns the visible link or button with this text.
    #[track_caller]
    fn named(&self, name: &str) -> Element<'_> {
        let found = self.browser.all("a, button, summary, label");
        let fits = |element: &Element<'_>| element.is_shown() && element.text().trim() == name;
        let mut found = found.into_iter().filter(fits);
        found
            .next()
            .unwrap_or_else(|| panic!("no {name:?} at {}: {}", self.path(), self.text()))
    }

    /// Returns the text that the page shows.
    fn text(&self) -> String {
        let mut body = self.browser.all("body");
        body.pop().map(|body| body.text()).unwrap_or_default()
    }

    #[track_caller]
    fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition() {
            assert!(
                Instant::now() < end,
                "{what} does not come at {}: {}",
                self.path(),
                self.text()
            );
        }
    }

    #[track_caller]
    fn wait_for_path(&self, path: &str) {
        self.wait_until(path, || self.path() == path);
    }

    #[track_caller]
    fn wait_for_text(&self, text: &str) {
        self.wait_until(text, || self.text().contains(text));
    }
}

#[test]
fn a_person_signs_in_and_out_again() {
    let app = TestApp::start();
    let Some(desk) = Desk::signed_in(&app, &app.token, Scripts::Run) else {
        return;
    };
    assert_eq!(desk.browser.title(), "Overview · Hookpost");
    desk.named("Sign out").click();
    desk.wait_for_path("/login");
    desk.open("/");
    assert_eq!(desk.path(), "/login");
}
