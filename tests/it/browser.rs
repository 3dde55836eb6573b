//! The tests of the dashboard in a real browser, Debian's Chromium.
//!
//! Without a browser they are skipped, and say so on the terminal; with `BROWSER_TESTS=1` a missing browser
//! is a failure.
#![cfg(unix)]

mod control;
mod driver;
mod live;
mod looks;
mod markup;
mod pictures;
mod recovery;
mod session;
mod settings;
mod story;

use std::time::Instant;

use self::session::{Browser, Element, Scripts};
use hookpost::domain::access::Scopes;

use super::fixture::{PATIENCE, TestApp};

/// How a person works with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hand {
    Mouse,
    /// The keyboard alone.
    Keyboard,
}

/// The keys of `WebDriver` that have no character.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const CONTROL: char = '\u{e009}';

/// The most times that the Tab key is pressed to reach something on a page.
const TABS_MAX: usize = 150;

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

    /// Returns the text that the page shows; empty while one page replaces another.
    fn text(&self) -> String {
        let mut body = self.browser.all("body");
        body.pop()
            .and_then(|body| body.try_text())
            .unwrap_or_default()
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

    /// Follows a link, or presses a button, by its name.
    #[track_caller]
    fn activate(&self, hand: Hand, name: &str) {
        match hand {
            Hand::Mouse => self.named(name).click(),
            Hand::Keyboard => {
                self.tab_to(name, |element| element.text().trim() == name);
                self.browser.press(ENTER);
            }
        }
    }

    /// Writes into a field, in place of what it has.
    #[track_caller]
    fn write(&self, hand: Hand, selector: &str, text: &str) {
        match hand {
            Hand::Mouse => self.find(selector).fill(text),
            Hand::Keyboard => {
                self.tab_to_element(selector);
                self.browser.press_with(CONTROL, 'a');
                self.browser.press(text);
            }
        }
    }

    #[track_caller]
    fn tab_to_element(&self, selector: &str) {
        let wanted = self.find(selector).id;
        self.tab_to(selector, |element| element.id == wanted);
    }

    /// Presses Tab until something has the focus. What has it must show that it has it.
    #[track_caller]
    fn tab_to(&self, what: &str, is_wanted: impl Fn(&Element<'_>) -> bool) {
        for _ in 0..TABS_MAX {
            self.browser.press(TAB);
            if is_wanted(&self.browser.focused()) {
                let outline = self.browser.script(
                    "const style = getComputedStyle(document.activeElement);
                    return style.outlineStyle !== 'none' || style.boxShadow !== 'none'",
                    &[],
                );
                assert_eq!(outline, true, "{what} does not show that it has the focus");
                return;
            }
        }
        panic!(
            "Tab does not reach {what} at {}: {}",
            self.path(),
            self.text()
        );
    }

    /// Checks that the browser had nothing to complain about: no error of a script, and nothing that was blocked.
    #[track_caller]
    fn assert_quiet(&self) {
        let noise = self.browser.console();
        assert!(noise.is_empty(), "{noise:?}");
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
    desk.assert_quiet();
}

#[test]
fn a_revoked_token_leads_back_to_the_sign_in() {
    let app = TestApp::start();
    let token = app.make_token(Some(&app.workspace), Scopes::all());
    let Some(desk) = Desk::signed_in(&app, &token, Scripts::Run) else {
        return;
    };
    let list = app.get("/api/workspace-access-tokens?limit=1").expect(200);
    let id = list["data"][0]["id"].as_str().unwrap();
    app.delete(&format!("/api/workspace-access-tokens/{id}"))
        .expect(204);
    // The live page notices by itself.
    desk.wait_for_path("/login");
}
