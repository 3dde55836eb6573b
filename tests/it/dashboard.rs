//! The tests of the dashboard over HTTP: who gets in, what is refused, and the HTML of each page.
//!
//! What only a browser can tell is in `browser.rs`.

pub(crate) mod demo;
mod endpoint_pages;
mod endpoint_settings;
mod filters;
mod forging;
mod headers;
mod history;
mod hostile;
mod isolation;
mod jobs;
pub(crate) mod markup;
mod messages;
mod scopes;
mod sent;
mod signing_in;
mod snapshots;
mod test_sends;
mod world;

use std::time::Instant;

use super::fixture::{PATIENCE, TestApp};

/// A path and fields that a page of the dashboard would send.
pub(crate) type FormFields<'f> = &'f [(&'f str, &'f str)];

/// An answer of the dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
    /// The body as it came, if it is no text.
    pub(crate) bytes: Vec<u8>,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the text of a page that must have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.text);
        &self.text
    }

    /// Returns where an answer leads that must lead elsewhere.
    #[track_caller]
    pub(crate) fn leads_to(&self) -> &str {
        self.expect(303);
        self.header("location").expect("where it leads")
    }

    /// Returns the value of the first attribute `name="…"` after `before`.
    pub(crate) fn value_after(&self, before: &str, name: &str) -> Option<&str> {
        let rest = self.text.split_once(before)?.1;
        let rest = rest.split_once(&format!(" {name}=\""))?.1;
        Some(rest.split_once('"')?.0)
    }
}

/// Returns a text as a query carries it.
pub(crate) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A client that is signed in, or none: what a browser would send, without one.
pub(crate) struct Visitor<'a> {
    pub(crate) app: &'a TestApp,
    agent: ureq::Agent,
    pub(crate) cookie: Option<String>,
    /// The token of the session's forms.
    pub(crate) form_token: String,
}

impl<'a> Visitor<'a> {
    /// A client that has not signed in.
    pub(crate) fn stranger(app: &'a TestApp) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build()
            .new_agent();
        Self {
            app,
            agent,
            cookie: None,
            form_token: String::new(),
        }
    }

    /// A client that has signed in with this token.
    #[track_caller]
    pub(crate) fn signed_in(app: &'a TestApp, token: &str) -> Self {
        let mut visitor = Self::stranger(app);
        let answer = visitor.sign_in(token);
        assert_eq!(answer.leads_to(), "/");
        visitor.find_form_token();
        visitor
    }

    /// Sends the form to sign in, and keeps the cookie that comes back.
    pub(crate) fn sign_in(&mut self, token: &str) -> Page {
        let answer = self.send("POST", "/login", &[], Some(&[("token", token)]));
        self.keep_cookie(&answer);
        answer
    }

    /// Keeps the cookie of an answer, as a browser does.
    pub(crate) fn keep_cookie(&mut self, answer: &Page) {
        if let Some(cookie) = answer.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            let is_empty = pair.ends_with('=');
            self.cookie = (!is_empty).then(|| pair.to_owned());
        }
    }

    /// Finds the token of the session's forms on a page that it may see.
    #[track_caller]
    pub(crate) fn find_form_token(&mut self) {
        let pages = ["/", "/endpoints", "/publish", "/tokens", "/workspaces"];
        let mut found = pages.iter().filter_map(|path| {
            let page = self.get(path);
            let token = page.value_after("name=\"form_token\"", "value");
            token.map(str::to_owned)
        });
        let found = found.next();
        self.form_token = found.expect("a page with a form");
    }

    /// Makes a request with exactly these headers beside the cookie; `form` as a browser encodes it.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: FormFields<'_>,
        form: Option<FormFields<'_>>,
    ) -> Page {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.app.addr))
            .header("accept", "text/html");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match form {
            Some(fields) => {
                let mut body = url::form_urlencoded::Serializer::new(String::new());
                body.extend_pairs(fields);
                let request = request.header("content-type", "application/x-www-form-urlencoded");
                self.agent.run(request.body(body.finish()).unwrap())
            }
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        };
        let headers = answer.headers().iter().map(header).collect();
        let bytes = answer.body_mut().read_to_vec().unwrap();
        Page {
            status: answer.status().as_u16(),
            headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Page {
        self.send("GET", path, &[], None)
    }

    /// Sends a form of a page of this session.
    pub(crate) fn post(&self, path: &str, fields: FormFields<'_>) -> Page {
        let mut all = vec![("form_token", self.form_token.as_str())];
        all.extend(fields);
        let headers = [("sec-fetch-site", "same-origin")];
        self.send("POST", path, &headers, Some(&all))
    }

    /// Waits until a page satisfies a condition.
    #[track_caller]
    pub(crate) fn wait_for(&self, path: &str, condition: impl Fn(&Page) -> bool) -> Page {
        let end = Instant::now() + PATIENCE;
        loop {
            let page = self.get(path);
            if condition(&page) {
                return page;
            }
            assert!(Instant::now() < end, "{path} stays at {}", page.text);
            std::thread::yield_now();
        }
    }
}
