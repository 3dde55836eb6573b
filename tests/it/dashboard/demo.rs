//! A day of a shop, for screenshots and for pages that have something to show. It is written through the store, with
//! the clock of the application, so that no request leaves the machine.

use std::time::Duration;

use hookpost::domain::attempt_failure::AttemptFailure;
use hookpost::domain::clock::{Clock, Timestamp};
use hookpost::domain::event_state::Verdict;
use hookpost::storage::QueuedEvent;
use serde_json::json;

use super::history::{History, Reply};
use crate::fixture::TestApp;

/// The time between two messages.
const STEP: Duration = Duration::from_mins(3);

/// The messages of a day.
const STEPS: u32 = 480;

/// An endpoint of the shop.
struct Place {
    name: &'static str,
    url: &'static str,
    format: &'static str,
    events: &'static [&'static str],
    /// The usual time of an answer.
    usual_ms: u32,
}

const PLACES: [Place; 7] = [
    Place {
        name: "Search index",
        url: "https://search.northwind.example/hooks/catalog",
        format: "raw",
        events: &["product.*"],
        usual_ms: 35,
    },
    Place {
        name: "Partner feed",
        url: "https://partners.tradewinds.example/v1/inbound",
        format: "raw",
        events: &["product.*", "order.created"],
        usual_ms: 180,
    },
    Place {
        name: "#orders in Slack",
        url: "https://hooks.slack.com/services/T024BE7LD/B01ABCDEF/x3GkNq",
        format: "slack",
        events: &["order.created", "order.refunded"],
        usual_ms: 240,
    },
    Place {
        name: "Analytics",
        url: "https://ingest.analytics.example/webhooks?source=hookpost",
        format: "raw",
        events: &["*"],
        usual_ms: 22,
    },
    Place {
        name: "Warehouse",
        url: "https://wms.fulfilment.example/api/orders",
        format: "raw",
        events: &["order.*"],
        usual_ms: 95,
    },
    Place {
        name: "Billing",
        url: "https://billing.northwind.example/webhooks/hookpost",
        format: "raw",
        events: &["order.*", "invoice.*"],
        usual_ms: 60,
    },
    Place {
        name: "Order mails",
        url: "https://mailer.northwind.example/events",
        format: "raw",
        events: &["order.created", "order.shipped"],
        usual_ms: 48,
    },
];

const TYPES: [&str; 6] = [
    "order.created",
    "product.updated",
    "order.paid",
    "invoice.issued",
    "order.shipped",
    "order.refunded",
];

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        u32::try_from((self.0 >> 33) % u64::from(limit)).unwrap()
    }
}

/// The story of the day. Since a while the warehouse's URL leads nowhere; Slack limits rates now and then; the
/// partner has become slow; a certificate had ended.
fn reply(place: &str, usual_ms: u32, step: u32, dice: &mut Dice) -> Reply {
    let ms = usual_ms * 7 / 10 + dice.below(usual_ms);
    match place {
        "Warehouse" if step > STEPS - 16 => Reply::with(
            404,
            "{\"error\":\"not found\",\"message\":\"POST /api/orders was removed, use /api/v2/orders\"}",
            31,
        ),
        "#orders in Slack" if dice.below(9) == 0 => Reply::with(429, "rate_limited", ms),
        "Partner feed" if step > 300 => Reply::with(200, "accepted", 700 + dice.below(900)),
        "Search index" if (200..215).contains(&step) => {
            Reply::none(AttemptFailure::Tls, "invalid peer certificate: Expired", 41)
        }
        _ if dice.below(90) == 0 => Reply::with(503, "upstream connect error", ms * 3),
        _ => Reply::with(200, "{\"ok\":true}", ms),
    }
}

/// Returns the data of a message, in the order in which a person would write it.
fn order(number: u32) -> String {
    let (id, customer, quantity) = (48_210 + number, 900 + number % 57, 1 + number % 3);
    let (euros, cents) = (14 + number % 80, number * 5 % 100);
    format!(
        r#"{{"id":"ord_{id}","customer":{{"id":"cus_{customer}","country":"NL"}},"total":{euros}.{cents:02},"currency":"EUR","lines":[{{"sku":"TEA-0042","name":"Assam, loose leaf","quantity":{quantity}}},{{"sku":"CUP-0007","name":"Stoneware cup","quantity":2}}],"express":{},"note":null}}"#,
        number.is_multiple_of(4)
    )
}

/// Writes the attempts of an event: some are retried, and some of those in vain.
fn deliver(history: &mut History, event: &QueuedEvent, place: &Place, step: u32, dice: &mut Dice) {
    let first = reply(place.name, place.usual_ms, step, dice);
    if first.succeeded() {
        return history.record(event, first, Verdict::Succeeded);
    }
    let now = history.clock.now();
    // The last ones still wait.
    if step > STEPS - 12 {
        let due = now.after(Duration::from_mins(30));
        return history.record(event, first, Verdict::RetryAt(due));
    }
    history.record(event, first, Verdict::RetryAt(now));
    history.clock.advance(Duration::from_secs(8));
    if place.name == "Warehouse" && first.code == Some(404) {
        history.record(event, first, Verdict::Failed);
    } else {
        let second = Reply::with(200, "{\"ok\":true}", place.usual_ms);
        history.record(event, second, Verdict::Succeeded);
    }
}

/// Starts an application whose workspace is a shop after a day of work.
pub(crate) fn start() -> TestApp {
    let mut app = TestApp::with_manual_clock(&[]);
    let workspace = format!("/api/workspaces/{}", app.workspace);
    app.patch(&workspace, &json!({"name": "Northwind Tea"}))
        .expect(200);
    for name in ["Staging", "Tradewinds"] {
        app.post("/api/workspaces", &app.admin, &json!({"name": name}))
            .expect(201);
    }
    for place in &PLACES {
        let body = json!({
            "url": place.url, "name": place.name, "format": place.format, "events": place.events,
        });
        app.post("/api/webhooks/endpoints", &app.token, &body)
            .expect(201);
        app.advance(Duration::from_secs(40));
    }
    let mut history = History::of(&mut app);
    // The day ends at five minutes to two.
    let begin = Timestamp::parse("2023-11-15T01:55:00Z").unwrap();
    history.clock.step_wall_clock(begin);
    let mut dice = Dice(7);
    for step in 0..STEPS {
        // Few buy tea at night.
        let hour = (step / 20 + 2) % 24;
        let busy = [1, 1, 2, 4, 6, 7, 6, 3][usize::try_from(hour / 3).unwrap()];
        for at in 0..busy {
            let number = step * 8 + at;
            let kind = usize::try_from(dice.below(u32::try_from(TYPES.len()).unwrap())).unwrap();
            let (_, events) = history.publish(TYPES[kind], &order(number));
            for event in events {
                // Endpoints are numbered from 1, in the order in which they were made.
                let place = usize::try_from(event.endpoint.0).unwrap() - 1;
                deliver(&mut history, &event, &PLACES[place], step, &mut dice);
            }
            history.clock.advance(STEP / busy);
        }
    }
    history.end(&mut app);
    app
}
