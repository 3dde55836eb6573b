//! Fairness: ten healthy endpoints that get 200 events a second together, beside troubled ones; and one that
//! gets ten a second, beside a thousand healthy but slow ones of another workspace.
//!
//! Each kind of trouble has a server of its own. The healthy endpoints are measured alone. Then the troubled
//! ones get a burst and after that a low rate, so that they stay busy and their retries fall into the time in
//! which the healthy ones are measured again.

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

/// The healthy, and events a second for all of them.
struct Healthy {
    endpoints: u64,
    rate: u64,
}
/// Events a second for the troubled, all together.
const TRICKLE: u64 = 50;
/// Healthy events wait behind the trouble for no longer than this, or they count as missing.
const PATIENCE: Duration = Duration::from_secs(15);

/// The trouble of the endpoints beside the healthy ones.
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
    /// 1,000 have a backlog and answer 200 after 100, 300 and 900 ms, one after the other.
    SlowGood,
}

/// Trouble, and how long its endpoints take if that differs.
#[derive(Clone, Copy)]
struct Crowd {
    trouble: Trouble,
    delay_ms: u64,
}

impl Trouble {
    fn crowds(self) -> impl Iterator<Item = Crowd> {
        let delays: &[u64] = match self {
            Self::Slow => &[8000],
            Self::Backlog => &[50],
            Self::SlowGood => &[100, 300, 900],
            _ => &[0],
        };
        delays.iter().map(move |delay_ms| Crowd {
            trouble: self,
            delay_ms: *delay_ms,
        })
    }
}

impl Crowd {
    fn name(self) -> String {
        let name = match self.trouble {
            Trouble::Hang => "500 that never answer",
            Trouble::Slow => "1,000 that answer after 8 s",
            Trouble::Fail => "500 that answer 500",
            Trouble::Refuse => "500 that refuse",
            Trouble::Names => "500 with slow names",
            Trouble::Drip => "500 that drip",
            Trouble::Backlog => "3 with a backlog of 100,000",
            Trouble::SlowGood => return format!("1,000 busy after {} ms", self.delay_ms),
        };
        name.to_owned()
    }

    fn healthy(self) -> Healthy {
        let (endpoints, rate) = match self.trouble {
            Trouble::SlowGood => (1, 10),
            _ => (10, 200),
        };
        Healthy { endpoints, rate }
    }

    fn endpoints(self) -> u64 {
        match self.trouble {
            Trouble::Slow | Trouble::SlowGood => 1000,
            Trouble::Backlog => 3,
            _ => 500,
        }
    }

    /// Messages for all of the troubled at once, to begin with.
    fn burst(self, watched: Duration) -> u64 {
        match self.trouble {
            Trouble::Backlog => 100_000,
            // Enough that all senders stay busy while the healthy are watched.
            Trouble::SlowGood => {
                let attempts = 256 * 1000 * watched.as_secs() / self.delay_ms;
                attempts / self.endpoints() + 1
            }
            _ => 2,
        }
    }

    fn url(self, receiver: &Receiver, n: u64) -> String {
        match self.trouble {
            Trouble::Hang => receiver.url("hang", n),
            Trouble::Fail => receiver.url("fail", n),
            // No program listens on this port.
            Trouble::Refuse => format!("http://127.0.0.1:1/refuse/{n}"),
            Trouble::Names => SlowNames::slow_url(receiver.addr.port(), n),
            Trouble::Drip => receiver.url("drip", n),
            Trouble::Slow | Trouble::Backlog | Trouble::SlowGood => {
                receiver.url(&format!("delay-{}", self.delay_ms), n)
            }
        }
    }

    fn healthy_url(self, receiver: &Receiver, n: u64) -> String {
        match self.trouble {
            Trouble::Names => SlowNames::quick_url(receiver.addr.port(), n),
            _ => receiver.url("ok", n),
        }
    }
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for trouble in Trouble::value_variants() {
        if options.trouble.is_empty() || options.trouble.contains(trouble) {
            for crowd in trouble.crowds() {
                beside(crowd, options, report).with_context(|| crowd.name())?;
            }
        }
    }
    Ok(())
}

fn beside(crowd: Crowd, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let receiver = Receiver::start(None)?;
    let folder = options.folder()?;
    let database = folder.path().join("hookpost.db");
    // Only within this process can names be made to resolve slowly.
    if crowd.trouble == Trouble::Names {
        let app = SlowNames::start(&database)?;
        measure(crowd, app.admin()?, &receiver, options, report)
    } else {
        let server = Server::start(&database)?;
        measure(crowd, server.admin()?, &receiver, options, report)
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
    crowd: Crowd,
    mut admin: Api,
    receiver: &Receiver,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Healthy {
        endpoints: few,
        rate,
    } = crowd.healthy();
    let (_, mut healthy) = endpoints(&mut admin, "healthy", few, |n| {
        crowd.healthy_url(receiver, n)
    })?;
    let (mut theirs, troubled) = endpoints(&mut admin, "troubled", crowd.endpoints(), |n| {
        crowd.url(receiver, n)
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
        rate,
        (time / 2).max(Duration::from_secs(10)),
    )?;
    burst.closed(0..crowd.burst(time))?;
    let beside = thread::scope(|scope| {
        let trickle = scope.spawn(|| troubled.open(TRICKLE, time));
        let beside = watch(&mut healthy, receiver, rate, time);
        trickle.join().expect("generators do not panic")?;
        beside
    })?;

    // The troubled endpoints were in trouble during the whole time.
    let attempts = theirs.total("/webhooks/deliveries?limit=1")?;
    let pending = theirs.total("/webhooks/events?status=pending&limit=1")?;
    let name = crowd.name();
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

/// The figures of the healthy endpoints.
struct Watched {
    p50_ms: f64,
    p99_ms: f64,
    accepted_p99_ms: f64,
    missing: u64,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The time until publishes were accepted shows the effect of disk and machine on both.
        write!(
            f,
            "delivered p50 {:.2} ms, p99 {:.2} ms; accepted p99 {:.2} ms",
            self.p50_ms, self.p99_ms, self.accepted_p99_ms
        )
    }
}

fn watch(
    healthy: &mut Stream,
    receiver: &Receiver,
    rate: u64,
    time: Duration,
) -> anyhow::Result<Watched> {
    healthy.phase = receiver.expect(events(rate, time), 1);
    let mut posted = healthy.open(rate, time)?;
    let mut tally = receiver.wait(posted.accepted, PATIENCE);
    Ok(Watched {
        p50_ms: tally.latencies.quantile_ms(0.5),
        p99_ms: tally.latencies.quantile_ms(0.99),
        accepted_p99_ms: posted.latencies.quantile_ms(0.99),
        missing: posted.accepted.saturating_sub(tally.distinct) + posted.refused,
    })
}
