//! The tests of the addresses to which deliveries may go, on the running application: literals in every
//! spelling, names that resolve to any address, and URLs that two parsers might read differently.

mod literals;
mod names;
mod opening;
mod parsers;
mod rebinding;
mod registry;
mod splitting;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::{Arc, Mutex};

use hookpost::delivery::resolver::{Lookup, LookupError};
use serde_json::{Value, json};

use super::fixture::{Answer, TestApp};

/// Listens, to prove that nobody came: a connection that was made waits to be accepted, also after
/// the other side has gone.
struct Untouched(Vec<TcpListener>);

impl Untouched {
    /// On every address of this machine, at one port.
    fn everywhere() -> Self {
        // Where there is IPv6, a socket for all of its addresses takes those of IPv4 too.
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)));
        Self::over(vec![listener.unwrap()])
    }

    /// On each of `ips`, all at one port.
    fn on(ips: &[IpAddr]) -> Self {
        // A port that is free on one address may be taken on another.
        let bound = (0..100).find_map(|_| {
            let first = TcpListener::bind((ips[0], 0)).unwrap();
            let port = first.local_addr().unwrap().port();
            let others = ips[1..].iter().map(|ip| TcpListener::bind((*ip, port)));
            let others: Vec<TcpListener> = others.collect::<Result<_, _>>().ok()?;
            Some(std::iter::once(first).chain(others).collect())
        });
        Self::over(bound.expect("a port that is free on all of them"))
    }

    fn over(listeners: Vec<TcpListener>) -> Self {
        for listener in &listeners {
            listener.set_nonblocking(true).unwrap();
        }
        Self(listeners)
    }

    fn port(&self) -> u16 {
        self.0[0].local_addr().unwrap().port()
    }

    /// To be called once the record of an attempt is on disk: until then it may be on its way.
    #[track_caller]
    fn assert_untouched(&self) {
        for listener in &self.0 {
            let came = listener.accept().map(|(_, from)| from);
            let error = came.expect_err("a connection was made");
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    }
}

type Script = dyn Fn(usize) -> Result<Vec<IpAddr>, LookupError> + Send + Sync;

/// Name servers that follow a script: of each name, the answer to its first look-up, its second, and
/// so on, counted from 0.
#[derive(Default)]
struct Scripted {
    scripts: Mutex<HashMap<String, Arc<Script>>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Scripted {
    fn set(
        &self,
        name: &str,
        script: impl Fn(usize) -> Result<Vec<IpAddr>, LookupError> + Send + Sync + 'static,
    ) {
        let mut scripts = self.scripts.lock().unwrap();
        scripts.insert(name.to_owned(), Arc::new(script));
    }

    /// Has `name` resolve to `addresses`.
    fn answer(&self, name: &str, addresses: &[IpAddr]) {
        let addresses = addresses.to_vec();
        self.set(name, move |_| Ok(addresses.clone()));
    }

    /// Returns how often the sender looked `name` up.
    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    /// Every name that was looked up.
    fn names(&self) -> Vec<String> {
        self.asked.lock().unwrap().keys().cloned().collect()
    }
}

impl Lookup for Scripted {
    fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let turn = {
            let mut asked = self.asked.lock().unwrap();
            let count = asked.entry(host.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let script = self.scripts.lock().unwrap().get(host).cloned();
        script.map_or_else(
            || Err(LookupError("Name or service not known".to_owned())),
            |script| script(turn),
        )
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Tries to make an endpoint.
fn create(app: &TestApp, url: &str) -> Answer {
    let body = json!({"url": url, "format": "raw", "events": ["*"]});
    app.post("/api/webhooks/endpoints", &app.token, &body)
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// The deliveries of an endpoint, newest first, once there are `count`.
#[track_caller]
fn deliveries(app: &TestApp, endpoint: &Value, count: usize) -> Vec<Value> {
    let path = format!("/api/webhooks/deliveries?endpoint_id={}", id(endpoint));
    let list = app.wait_for(&path, |list| list["meta"]["total"] == count);
    list["data"].as_array().unwrap().clone()
}
