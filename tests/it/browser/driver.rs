//! The one chromedriver of a test process, and its client over the W3C protocol `WebDriver`.
//!
//! It is our own, over the HTTP client that is linked anyway: the tests are synchronous, most of what they need
//! (widths, colour schemes, pages without script) are Chromium's own commands, and `fantoccini` with its eighteen
//! further crates takes longer to build than these lines take to read.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;

/// The time in which the browser must have done what a command says. A busy machine starts it slowly.
const COMMAND_MAX: Duration = Duration::from_mins(2);

/// The most starts of a driver: it ends at once if the port that it chose is used on its other address.
const STARTS_MAX: u32 = 5;

/// The running chromedriver, if a test uses it.
static SHARED: Mutex<Weak<Driver>> = Mutex::new(Weak::new());

/// A chromedriver on a port of its own. It ends when its standard input is closed: when the last test drops it, and
/// when the test process ends in any way.
pub(super) struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    url: String,
    agent: ureq::Agent,
}

impl Driver {
    fn start(program: &Path) -> Self {
        (0..STARTS_MAX)
            .find_map(|_| Self::try_start(program))
            .expect("chromedriver starts")
    }

    /// Starts a driver; `None` if it ends before it has a port.
    fn try_start(program: &Path) -> Option<Self> {
        // A line on its output has the port. The shell outlives the tests by the moment it takes to end the driver. It
        // closes its own output, so that the output ends with the driver.
        let script =
            "\"$1\" --port=0 </dev/null & driver=$!; exec >/dev/null; cat; kill \"$driver\"";
        let mut child = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port: Option<u16> = lines
            .by_ref()
            .map(|line| line.expect("chromedriver says its port"))
            .find_map(|line| {
                let rest = line.split("successfully on port ").nth(1)?;
                rest.trim_end_matches('.').parse().ok()
            });
        let Some(port) = port else {
            drop(child.stdin.take());
            let _ = child.wait();
            return None;
        };
        // It must not wait for a reader of its output.
        std::thread::spawn(move || lines.for_each(drop));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(COMMAND_MAX))
            .proxy(None)
            .build()
            .new_agent();
        Some(Self {
            stdin: child.stdin.take(),
            child,
            url: format!("http://127.0.0.1:{port}"),
            agent,
        })
    }

    pub(super) fn shared(program: &Path) -> Arc<Self> {
        // The lock is released before another driver takes it.
        let running = SHARED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade();
        running.unwrap_or_else(|| Self::another(program))
    }

    /// Starts a driver in the place of the one that tests shared.
    pub(super) fn another(program: &Path) -> Arc<Self> {
        let started = Arc::new(Self::start(program));
        *SHARED.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&started);
        started
    }

    /// Runs a command. The error is `WebDriver`'s own text.
    pub(super) fn run(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        let answer = match body {
            Some(body) => self.agent.run(request.body(body.to_string()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer.map_err(|error| error.to_string())?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(100 << 20)
            .read_to_string()
            .map_err(|error| error.to_string())?;
        let mut json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let value = json["value"].take();
        if answer.status().is_success() {
            Ok(value)
        } else {
            let message = value["message"].as_str().unwrap_or_default();
            let first = message.lines().next().unwrap_or_default();
            Err(format!("{}: {first}", value["error"]))
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
