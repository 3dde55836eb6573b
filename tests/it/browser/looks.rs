//! The tests of how pages look: at three widths and in two colour schemes, without a part that sticks out, and without
//! a finding of axe-core. They write each page to `target/screenshots/`.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Desk;
use super::session::{Scripts, skip};
use crate::dashboard::demo;
use crate::fixture::TestApp;

/// A phone, a laptop, and a wide screen.
const WIDTHS: [u32; 3] = [360, 1280, 2560];
const SCHEMES: [&str; 2] = ["light", "dark"];
const HEIGHT: u32 = 900;

/// The rules of WCAG 2.2 at the levels A and AA, and those that axe-core's authors recommend.
const TAGS: [&str; 6] = [
    "wcag2a",
    "wcag2aa",
    "wcag21a",
    "wcag21aa",
    "wcag22aa",
    "best-practice",
];

/// The text of axe-core, which `.ci/run` installs.
static AXE: LazyLock<Option<String>> = LazyLock::new(|| {
    let file = target().join("axe/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(file).ok()
});

pub(super) fn target() -> PathBuf {
    let own = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    own.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"))
}

impl Desk<'_> {
    /// Gives the window a width and a colour scheme.
    pub(super) fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.browser
            .chromium("Emulation.setDeviceMetricsOverride", &size);
        self.browser
            .chromium("Emulation.setScrollbarsHidden", &json!({"hidden": true}));
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.browser.chromium("Emulation.setEmulatedMedia", &media);
    }

    /// Writes the page to a PNG file, up to a height in pixels, if one is given.
    pub(super) fn picture(&self, file: &Path, height: Option<u32>) {
        let mut parameters = json!({"format": "png", "captureBeyondViewport": true});
        if let Some(height) = height {
            let width = self.browser.script("return innerWidth", &[]);
            parameters["clip"] =
                json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        }
        let taken = self.browser.chromium("Page.captureScreenshot", &parameters);
        let png = STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, png).unwrap();
    }

    /// Returns the elements that stick out of the page on the right, if it can be scrolled sideways.
    fn sticking_out(&self) -> Value {
        self.browser.script(
            "const page = document.documentElement;
            if (page.scrollWidth <= page.clientWidth) return [];
            const wide = [...document.querySelectorAll('body *')].filter((element) =>
                element.getBoundingClientRect().right > page.clientWidth + 0.5);
            return [`${page.scrollWidth} > ${page.clientWidth}`, ...wide.slice(0, 8).map((element) =>
                element.outerHTML.slice(0, 120))];",
            &[],
        )
    }

    /// Returns what axe-core finds.
    fn findings(&self) -> Vec<String> {
        let Some(axe) = AXE.as_deref() else {
            return Vec::new();
        };
        let is_there = self.browser.script("return typeof axe === 'object'", &[]);
        if is_there != true {
            self.browser.script(axe, &[]);
        }
        let found = self.browser.async_script(
            "const [tags, done] = arguments;
            axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']}).then(
                (found) => done(found.violations.flatMap((rule) => rule.nodes.slice(0, 3).map((node) =>
                    `${rule.id}: ${node.html.slice(0, 160)} ${node.any.concat(node.all, node.none).map((check) => check.message).join('; ').slice(0, 200)}`))),
                (error) => done([String(error)]))",
            &[json!(TAGS)],
        );
        let found = found.as_array().unwrap().iter();
        found
            .map(|finding| finding.as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Looks at the page that is open in every way. Returns what is wrong with it.
fn look_at_present(desk: &Desk<'_>, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for width in WIDTHS {
        for scheme in SCHEMES {
            desk.look(width, HEIGHT, scheme);
            let about = format!("{name} at {width} px, {scheme}");
            let out = desk.sticking_out();
            if out != json!([]) {
                wrong.push(format!("{about} sticks out: {out}"));
            }
            for finding in desk.findings() {
                wrong.push(format!("{about}: {finding}"));
            }
            let file = format!("screenshots/{name}-{width}-{scheme}.png");
            desk.picture(&target().join(file), None);
        }
    }
    desk.look(WIDTHS[1], HEIGHT, SCHEMES[0]);
    let noise = desk.browser.console();
    if !noise.is_empty() {
        wrong.push(format!("{name} complains: {noise:?}"));
    }
    wrong
}

/// Looks at pages in every way. Returns what is wrong with them.
fn look_at(desk: &Desk<'_>, pages: &[(&str, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, path) in pages {
        desk.look(WIDTHS[1], HEIGHT, SCHEMES[0]);
        desk.open(path);
        wrong.extend(look_at_present(desk, name));
    }
    wrong
}

/// Checks the page that is open, which a form has led to.
#[track_caller]
pub(super) fn assert_present_good(desk: &Desk<'_>, name: &str) {
    let wrong = look_at_present(desk, name);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[track_caller]
fn assert_good(desk: &Desk<'_>, pages: &[(&str, String)]) {
    if AXE.is_none() {
        skip(
            "axe-core",
            "npm install --prefix target/axe axe-core@4.14.1",
        );
    }
    let wrong = look_at(desk, pages);
    assert!(
        wrong.is_empty(),
        "{} faults:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Returns the id of the newest object of a list that satisfies a filter.
pub(super) fn id_of(app: &TestApp, list: &str, key: &str) -> String {
    let list = app.get(list).expect(200);
    let first = &list["data"][0];
    let id = first[key].as_str();
    id.unwrap_or_else(|| panic!("{list}")).to_owned()
}

/// Returns the id of the demonstration's endpoint with this name.
pub(super) fn endpoint_named(app: &TestApp, name: &str) -> String {
    let list = app.get("/api/webhooks/endpoints?limit=100").expect(200);
    let mut rows = list["data"].as_array().unwrap().iter();
    let row = rows.find(|row| row["name"] == name).expect("the endpoint");
    row["id"].as_str().unwrap().to_owned()
}

#[test]
fn pages_with_data() {
    let app = demo::start();
    let Some(desk) = Desk::signed_in(&app, &app.admin, Scripts::Run) else {
        return;
    };
    let warehouse = endpoint_named(&app, "Warehouse");
    let failed = format!("/api/webhooks/events?limit=1&status=failed&endpoint_id={warehouse}");
    let event = id_of(&app, &failed, "id");
    let message = id_of(&app, &failed, "message_id");
    let good = id_of(&app, "/api/webhooks/events?limit=1&status=succeeded", "id");
    let job = json!({"action": "redeliver", "rate": 1, "filter": {"endpoint_id": [warehouse]}});
    let job = app.post("/api/webhooks/jobs", &app.admin, &job).expect(202);
    let job = job["id"].as_str().unwrap().to_owned();
    let text = str::to_owned;
    assert_good(
        &desk,
        &[
            ("overview", text("/")),
            ("overview-month", text("/?range=30d")),
            ("endpoints", text("/endpoints")),
            ("endpoint", format!("/endpoints/{warehouse}")),
            ("endpoint-edit", format!("/endpoints/{warehouse}/edit")),
            ("endpoint-new", text("/endpoints/new")),
            ("deliveries", text("/deliveries")),
            ("deliveries-failed", text("/deliveries?succeeded=false")),
            ("events", text("/deliveries?view=events")),
            ("event", format!("/events/{event}")),
            ("event-delivered", format!("/events/{good}")),
            ("messages", text("/messages")),
            ("message", format!("/messages/{message}")),
            ("jobs", text("/jobs")),
            ("job", format!("/jobs/{job}")),
            (
                "job-new",
                format!("/jobs/new?job=redeliver&endpoint_id={warehouse}"),
            ),
            ("publish", text("/publish")),
            ("tokens", text("/tokens")),
            ("workspaces", text("/workspaces")),
            ("system", text("/system")),
        ],
    );
}

#[test]
fn pages_without_data() {
    let app = TestApp::start();
    let Some(desk) = Desk::signed_in(&app, &app.token, Scripts::Run) else {
        return;
    };
    let pages = [
        "/",
        "/endpoints",
        "/deliveries",
        "/deliveries?view=events",
        "/publish",
    ];
    let names = ["overview", "endpoints", "deliveries", "events", "publish"];
    let names = names.map(|name| format!("empty-{name}"));
    let pages: Vec<_> = names
        .iter()
        .zip(pages)
        .map(|(name, path)| (name.as_str(), path.to_owned()))
        .collect();
    assert_good(&desk, &pages);
}

#[test]
fn pages_before_signing_in_and_of_errors() {
    let app = TestApp::start();
    let Some(desk) = Desk::signed_in(&app, &app.token, Scripts::Run) else {
        return;
    };
    // The browser itself notes the status of the second one.
    let wrong = look_at(
        &desk,
        &[
            ("login", "/login?code=x".to_owned()),
            ("not-found", "/endpoints/x".to_owned()),
        ],
    );
    let wrong: Vec<_> = wrong
        .into_iter()
        .filter(|line| !line.contains("status of 404"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
