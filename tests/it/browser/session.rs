//! A browser that a test uses, and the elements of its page.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::driver::Driver;

/// The variable that makes a missing browser a failure.
const REQUIRED: &str = "BROWSER_TESTS";

/// The time in milliseconds for a script or for loading a page, less than that of a command, so that the browser
/// says what took so long. On a machine that compiles meanwhile, axe-core takes half a minute for a long list.
const SCRIPT_MAX_MS: u64 = 110_000;

/// The key of an element's id in `WebDriver`'s JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The turn to use a browser: only one test at a time has one, since two cores carry one.
static TURN: Mutex<()> = Mutex::new(());

/// A browser of its own profile, with one window. Dropping it ends it.
pub(crate) struct Browser {
    driver: Arc<Driver>,
    session: String,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// The permission of a browser for the scripts of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scripts {
    Run,
    Blocked,
}

/// An element of the page that the browser shows.
#[derive(Clone)]
pub(crate) struct Element<'b> {
    browser: &'b Browser,
    pub(super) id: Value,
}

/// Returns a program of the search path.
fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let mut candidates = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.find(|file| file.is_file())
}

/// Reports whether a missing part of the browser tests is a failure.
fn is_required() -> bool {
    std::env::var_os(REQUIRED).is_some_and(|value| value == "1")
}

/// Says on the terminal, past the capture of the test harness, that a part of the tests was skipped.
///
/// # Panics
/// If [`REQUIRED`] is set.
pub(super) fn skip(what: &str, how: &str) {
    use std::io::Write as _;
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test").to_owned();
    let text = format!("SKIPPED {test}: {what} is missing. {how}");
    assert!(!is_required(), "{text} ({REQUIRED}=1 demands it)");
    // `eprintln!` would be captured, and nobody would see it.
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Browser {
    /// Starts a browser; `None`, and a line on the terminal, without one on the machine.
    pub(crate) fn start(scripts: Scripts) -> Option<Self> {
        let driver = program(&["chromedriver"]);
        let chromium = program(&["chromium", "chromium-browser", "google-chrome"]);
        let (Some(driver), Some(chromium)) = (driver, chromium) else {
            skip(
                "a browser",
                "On Debian: apt-get install chromium chromium-driver",
            );
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = tempfile::tempdir().unwrap();
        let program = driver;
        let mut driver = Driver::shared(&program);
        let mut arguments = vec![
            "--headless=new".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            "--window-size=1280,900".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            // Scroll bars that take no room, as on phones: the widths are those of the pages.
            "--enable-features=OverlayScrollbar".to_owned(),
            "--force-device-scale-factor=1".to_owned(),
            // The same words of dates and the same font on every machine.
            "--lang=en-GB".to_owned(),
        ];
        // Chromium's sandbox does not run as root.
        if nix::unistd::geteuid().is_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        let allowed = if scripts == Scripts::Run { 1 } else { 2 };
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "timeouts": {"script": SCRIPT_MAX_MS, "pageLoad": SCRIPT_MAX_MS},
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": chromium,
                "args": arguments,
                "prefs": {"profile.managed_default_content_settings.javascript": allowed},
            },
        }}});
        let mut started = driver.run("POST", "/session", Some(&capabilities));
        if started.is_err() {
            // The driver may have ended; another one takes its place once.
            driver = Driver::another(&program);
            started = driver.run("POST", "/session", Some(&capabilities));
        }
        let started = started.expect("the browser starts");
        let session = started["sessionId"].as_str().unwrap().to_owned();
        Some(Self {
            driver,
            session,
            _profile: profile,
            _turn: turn,
        })
    }

    /// Runs a command of the session.
    pub(super) fn try_run(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("/session/{}{path}", self.session);
        let body = (method == "POST").then_some(body);
        self.driver.run(method, &path, body)
    }

    #[track_caller]
    fn run(&self, method: &str, path: &str, body: &Value) -> Value {
        match self.try_run(method, path, body) {
            Ok(value) => value,
            Err(error) => panic!("{method} {path} {body}: {error}"),
        }
    }

    /// Runs a command of Chromium's own protocol.
    #[track_caller]
    pub(super) fn chromium(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.run("POST", "/goog/cdp/execute", &body)
    }

    /// Loads a page.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.run("POST", "/url", &json!({"url": url}));
    }

    /// Returns the URL of the page.
    #[track_caller]
    pub(crate) fn url(&self) -> String {
        let url = self.run("GET", "/url", &Value::Null);
        url.as_str().unwrap().to_owned()
    }

    /// Returns the title of the page.
    #[track_caller]
    pub(crate) fn title(&self) -> String {
        let title = self.run("GET", "/title", &Value::Null);
        title.as_str().unwrap().to_owned()
    }

    /// Runs the body of a function in the page, and returns its value.
    #[track_caller]
    pub(crate) fn script(&self, text: &str, arguments: &[Value]) -> Value {
        let body = json!({"script": text, "args": arguments});
        self.run("POST", "/execute/sync", &body)
    }

    /// Runs the body of a function in the page, whose last argument is the function that takes the value.
    #[track_caller]
    pub(crate) fn async_script(&self, text: &str, arguments: &[Value]) -> Value {
        let body = json!({"script": text, "args": arguments});
        self.run("POST", "/execute/async", &body)
    }

    /// Returns the elements that a CSS selector finds.
    #[track_caller]
    pub(crate) fn all(&self, selector: &str) -> Vec<Element<'_>> {
        let body = json!({"using": "css selector", "value": selector});
        let found = self.run("POST", "/elements", &body);
        let found = found.as_array().unwrap().iter();
        let element = |id: &Value| Element {
            browser: self,
            id: id.clone(),
        };
        found.map(element).collect()
    }

    /// Returns the element that has the focus.
    #[track_caller]
    pub(crate) fn focused(&self) -> Element<'_> {
        let id = self.run("GET", "/element/active", &Value::Null);
        Element { browser: self, id }
    }

    /// Presses keys one after the other, wherever the focus is. Names of keys are `WebDriver`'s code points.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        let pressed = keys.chars().flat_map(|key| {
            let value = key.to_string();
            let down = json!({"type": "keyDown", "value": value});
            let up = json!({"type": "keyUp", "value": value});
            [down, up]
        });
        let actions = pressed.collect::<Vec<_>>();
        let actions = json!([{"type": "key", "id": "keyboard", "actions": actions}]);
        self.run("POST", "/actions", &json!({"actions": actions}));
    }

    /// Presses a key while another one is held.
    #[track_caller]
    pub(crate) fn press_with(&self, held: char, key: char) {
        let action = |kind: &str, key: char| json!({"type": kind, "value": key.to_string()});
        let actions = [
            action("keyDown", held),
            action("keyDown", key),
            action("keyUp", key),
            action("keyUp", held),
        ];
        let actions = json!([{"type": "key", "id": "keyboard", "actions": actions}]);
        self.run("POST", "/actions", &json!({"actions": actions}));
    }

    /// Returns what the page's scripts and the browser have written to the console since the last call.
    #[track_caller]
    pub(crate) fn console(&self) -> Vec<String> {
        let lines = self.run("POST", "/se/log", &json!({"type": "browser"}));
        let lines = lines.as_array().unwrap().iter();
        let text = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        lines.map(text).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that is gone already needs no end.
        let _ = self.try_run("DELETE", "", &Value::Null);
    }
}

impl Element<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/element/{}{rest}", self.id[ELEMENT].as_str().unwrap())
    }

    #[track_caller]
    fn get(&self, rest: &str) -> String {
        let value = self.browser.run("GET", &self.path(rest), &Value::Null);
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Returns the text as it shows.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        self.get("/text")
    }

    /// Returns the text as it shows; `None` if the page has been left since the element was found.
    pub(crate) fn try_text(&self) -> Option<String> {
        let text = self
            .browser
            .try_run("GET", &self.path("/text"), &Value::Null)
            .ok()?;
        text.as_str().map(str::to_owned)
    }

    /// Returns the attribute or property; empty without one.
    #[track_caller]
    pub(crate) fn attribute(&self, name: &str) -> String {
        self.get(&format!("/attribute/{name}"))
    }

    /// Reports whether it is visible.
    #[track_caller]
    pub(crate) fn is_shown(&self) -> bool {
        let shown = self
            .browser
            .run("GET", &self.path("/displayed"), &Value::Null);
        shown == true
    }

    /// Clicks it. `WebDriver` refuses to click on what is hidden or covered, as a person could not.
    #[track_caller]
    pub(crate) fn click(&self) {
        self.browser.run("POST", &self.path("/click"), &json!({}));
    }

    /// Types into it, in place of what it has.
    #[track_caller]
    pub(crate) fn fill(&self, text: &str) {
        self.browser.run("POST", &self.path("/clear"), &json!({}));
        self.browser
            .run("POST", &self.path("/value"), &json!({"text": text}));
    }
}
