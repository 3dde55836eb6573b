//! Ten healthy endpoints that get 200 events a second together, beside troubled ones.
//!
//! Each kind of trouble has a server of its own. The healthy are measured alone, then the troubled get
//! a first burst and after it a trickle, so that they stay busy and their retries fall into the time in
//! which the healthy are measured again.

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

use crate::Options;
use crate::http::Api;
use crate::load::{Stream, events};
use crate::receiver::Receiver;
use crate::report::{Report, Target::AtMost};
use crate::server::Server;
use crate::slow_names::SlowNames;

const HEALTHY: u64 = 10;
/// Events a second for the healthy, all together.
const RATE: u64 = 200;
/// Events a second for the troubled, all together.
const TRICKLE: u64 = 50;
/// Healthy events wait behind the trouble for no longer than this, or they count as missing.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is wrong with the endpoints beside the healthy ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trouble {
    /// 500 accept the connection and never answer.
    Hang,
    /// 1,000 answer 200 after 8 seconds.
    Slow,
    /// 500 answer 500 at once.
    Fail,
    /// 500 refuse the connection.
    Refuse,
    /// 500 have names that take seconds to resolve.
    Names,
    /// 500 answer a byte a second.
    Drip,
    /// 3 have a backlog of 100,000 each and answer after 50 ms.
    Backlog,
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::Hang => "500 that never answer",
            Self::Slow => "1,000 that answer after 8 s",
            Self::Fail => "500 that answer 500",
            Self::Refuse => "500 that refuse",
            Self::Names => "500 with slow names",
            Self::Drip => "500 that drip",
            Self::Backlog => "3 with a backlog of 100,000",
        }
    }

    fn endpoints(self) -> u64 {
        match self {
            Self::Slow => 1000,
            Self::Backlog => 3,
            _ => 500,
        }
    }

    /// Messages for all of the troubled at once, to begin with.
    fn burst(self) -> u64 {
        if self == Self::Backlog { 100_000 } else { 2 }
    }

    fn url(self, receiver: &Receiver, n: u64) -> String {
        match self {
            Self::Hang => receiver.url("hang", n),
            Self::Slow => receiver.url("delay-8000", n),
            Self::Fail => receiver.url("fail", n),
            // Nobody listens on this port.
            Self::Refuse => format!("http://127.0.0.1:1/refuse/{n}"),
            Self::Names => SlowNames::slow_url(receiver.addr.port(), n),
            Self::Drip => receiver.url("drip", n),
            Self::Backlog => receiver.url("delay-50", n),
        }
    }

    fn healthy_url(self, receiver: &Receiver, n: u64) -> String {
        match self {
            Self::Names => SlowNames::quick_url(receiver.addr.port(), n),
            _ => receiver.url("ok", n),
        }
    }
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for trouble in Trouble::value_variants() {
        if options.trouble.is_empty() || options.trouble.contains(trouble) {
            let name = trouble.name();
            beside(*trouble, options, report).with_context(|| name)?;
        }
    }
    Ok(())
}

fn beside(trouble: Trouble, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let receiver = Receiver::start(None)?;
    let folder = options.folder()?;
    let database = folder.path().join("hookpost.db");
    // Only within this process can names be made to resolve slowly.
    if trouble == Trouble::Names {
        let app = SlowNames::start(&database)?;
        measure(trouble, app.admin()?, &receiver, options, report)
    } else {
        let server = Server::start(&database)?;
        measure(trouble, server.admin()?, &receiver, options, report)
    }
}

/// A workspace with endpoints that each get a type of their own, and `all`.
fn endpoints(
    admin: &mut Api,
    name: &str,
    count: u64,
    url: impl Fn(u64) -> String,
) -> anyhow::Result<(Api, Stream)> {
    let mut workspace = admin.workspace(name)?;
    let types: Vec<String> = (0..count).map(|n| format!("{name}.{n}")).collect();
    for (n, kind) in (0..).zip(&types) {
        workspace.endpoint(&url(n), &[kind, "all"])?;
    }
    let stream = stream(admin.addr, workspace.token.clone(), types);
    Ok((workspace, stream))
}

fn stream(api: SocketAddr, token: String, types: Vec<String>) -> Stream {
    Stream {
        api,
        tokens: vec![token],
        types,
        phase: 0,
    }
}

fn measure(
    trouble: Trouble,
    mut admin: Api,
    receiver: &Receiver,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (_, mut healthy) = endpoints(&mut admin, "healthy", HEALTHY, |n| {
        trouble.healthy_url(receiver, n)
    })?;
    let (mut theirs, troubled) = endpoints(&mut admin, "troubled", trouble.endpoints(), |n| {
        trouble.url(receiver, n)
    })?;
    let burst = stream(
        admin.addr,
        troubled.tokens[0].clone(),
        vec!["all".to_owned()],
    );

    let time = options.watched();
    let alone = watch(
        &mut healthy,
        receiver,
        (time / 2).max(Duration::from_secs(10)),
    )?;
    burst.closed(0..trouble.burst())?;
    let beside = thread::scope(|scope| {
        let trickle = scope.spawn(|| troubled.open(TRICKLE, time));
        let beside = watch(&mut healthy, receiver, time);
        trickle.join().expect("generators do not panic")?;
        beside
    })?;

    // That they were in trouble all the while.
    let attempts = theirs.total("/webhooks/deliveries?limit=1")?;
    let pending = theirs.total("/webhooks/events?status=pending&limit=1")?;
    let name = trouble.name();
    println!("{name}: {attempts} attempts at these, {pending} of their events pending");
    println!("healthy alone: {alone}\nhealthy beside: {beside}");
    report.add(
        format!(
            "{name}: p99 {:.2} ms beside / {:.2} ms alone",
            beside.p99_ms, alone.p99_ms
        ),
        beside.p99_ms / alone.p99_ms,
        "",
        AtMost(2.0),
    );
    let missing = (alone.missing + beside.missing) as f64;
    report.add(format!("{name}: healthy missing"), missing, "", AtMost(0.0));
    Ok(())
}

/// What the healthy saw.
struct Watched {
    p50_ms: f64,
    p99_ms: f64,
    accepted_p99_ms: f64,
    missing: u64,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What disk and machine did to both shows in how soon they were accepted.
        write!(
            f,
            "delivered p50 {:.2} ms, p99 {:.2} ms; accepted p99 {:.2} ms",
            self.p50_ms, self.p99_ms, self.accepted_p99_ms
        )
    }
}

fn watch(healthy: &mut Stream, receiver: &Receiver, time: Duration) -> anyhow::Result<Watched> {
    healthy.phase = receiver.expect(events(RATE, time), 1);
    let mut posted = healthy.open(RATE, time)?;
    let mut tally = receiver.wait(posted.accepted, PATIENCE);
    Ok(Watched {
        p50_ms: tally.latencies.quantile_ms(0.5),
        p99_ms: tally.latencies.quantile_ms(0.99),
        accepted_p99_ms: posted.latencies.quantile_ms(0.99),
        missing: posted.accepted.saturating_sub(tally.distinct) + posted.refused,
    })
}
