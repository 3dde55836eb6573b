use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::domain::access::Reach;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::CodeClass;
use crate::domain::event::EventStatus;
use crate::domain::id::new_id;
use crate::storage::filter::{DeliveryFilter, EventFilter, Page};
use crate::storage::sqlite::counters::Counters;
use crate::storage::sqlite::lists::{list_deliveries, list_events};

const N: i64 = 2_000_000;

fn fill(path: &str, days: i64) {
    let c = Connection::open(path).unwrap();
    c.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-400000; PRAGMA auto_vacuum=INCREMENTAL;").unwrap();
    c.execute_batch(include_str!("../../../../../schema.sql"))
        .unwrap();
    let mut r = StdRng::seed_from_u64(1);
    let start = 1_700_000_000_000_000_i64;
    let step = days * 86_400_000_000 / N;
    c.execute_batch("BEGIN").unwrap();
    for w in 1..=51 {
        c.execute(
            "INSERT INTO workspace VALUES (?,?,?,?,NULL,NULL)",
            params![w, Uuid::from_u128(w as u128), w.to_string(), start],
        )
        .unwrap();
    }
    let ws = |e: i64| if e <= 500 { 1 } else { 2 + (e - 501) / 10 };
    for e in 1..=1000_i64 {
        c.execute("INSERT INTO endpoint (n,id,workspace,url,format,secret,events,created_at,skip_through,sweep) VALUES (?,?,?,'https://a.test/x',0,'s','*',?,?,?)",
            params![e, Uuid::from_u128(1000 + e as u128), ws(e), start, if e == 7 { N } else { 0 }, e == 7]).unwrap();
    }
    for t in 1..=5 {
        c.execute(
            "INSERT INTO event_type VALUES (?,?)",
            params![t, format!("t{t}")],
        )
        .unwrap();
    }
    let mut k = Counters::default();
    let body = vec![b'x'; 316];
    for s in 1..=N {
        let at = start + s * step;
        // endpoint 1 is busy: a fifth of all
        let e = if r.random_ratio(1, 5) {
            1
        } else {
            r.random_range(1..=1000)
        };
        let w = ws(e);
        let t = if r.random_ratio(1, 100) {
            5
        } else {
            r.random_range(1..=4)
        };
        let now = Timestamp::from_micros(at);
        let pick = r.random_range(0..1000);
        let code: Option<u16> = match pick {
            0..20 => None,
            20..40 => Some(500),
            40..50 => Some(404),
            50..52 => Some(301),
            _ => Some(200),
        };
        let state = match pick {
            0..30 => 3,
            30..40 => 4,
            40..46 if e < 50 => 0,
            46..52 if e < 50 => 1,
            40..52 => 3,
            _ => 2,
        };
        c.prepare_cached("INSERT INTO message VALUES (?,?,?,?,?,?,1,NULL,?)")
            .unwrap()
            .execute(params![s, new_id(now), w, t, at, s, body])
            .unwrap();
        let id = new_id(now);
        c.prepare_cached("INSERT INTO event VALUES (?,?,?,?,?,?,0,?,?,1,NULL,1,?,?,?,?,NULL)")
            .unwrap()
            .execute(params![
                s,
                id,
                s,
                e,
                w,
                t,
                state,
                s,
                code,
                (state == 1).then_some(at),
                at,
                at
            ])
            .unwrap();
        c.prepare_cached(
            "INSERT INTO delivery VALUES (?,?,?,?,?,?,1,?,?,NULL,5,?,'{\"ok\":true}')",
        )
        .unwrap()
        .execute(params![
            s,
            new_id(now),
            s,
            e,
            w,
            t,
            code == Some(200),
            code,
            at
        ])
        .unwrap();
        k.event(e, at, t, state, 1);
        k.delivery(e, at, t, code);
        if s % 1000 == 0 {
            k.flush(&c).unwrap();
        }
        if s % 100_000 == 0 {
            c.execute_batch("COMMIT; BEGIN").unwrap();
        }
    }
    c.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")
        .unwrap();
}

#[test]
#[ignore]
fn bench() {
    let days: i64 = std::env::var("DAYS").unwrap().parse().unwrap();
    let path = format!("/tmp/wt/bench-{days}.db");
    if !std::path::Path::new(&path).exists() {
        let t = Instant::now();
        fill(&path, days);
        println!(
            "filled in {:?}, {} bytes per event",
            t.elapsed(),
            std::fs::metadata(&path).unwrap().len() as i64 / N
        );
    }
    let c = Connection::open(&path).unwrap();
    c.execute_batch("PRAGMA cache_size=-2048; PRAGMA query_only=ON")
        .unwrap();
    c.set_prepared_statement_cache_capacity(128);
    for (table, n) in [("delivery_count", 0), ("event_count", 0)] {
        let rows: i64 = c
            .query_row(&format!("SELECT count(*)+{n} FROM {table}"), [], |r| {
                r.get(0)
            })
            .unwrap();
        println!("{table}: {rows} rows");
    }
    let (lo, hi): (i64, i64) = c
        .query_row(
            "SELECT min(created_at), max(created_at) FROM event WHERE seq IN (1, 2000000)",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .unwrap();
    let at = |p: i64| Some(Timestamp::from_micros(lo + (hi - lo) / 1000 * p));
    let e = |n: u128| Uuid::from_u128(1000 + n);
    let scopes: Vec<(&str, Reach, Vec<Uuid>)> = vec![
        ("server", Reach::Server, vec![]),
        ("ws big", Reach::Workspace(Uuid::from_u128(1)), vec![]),
        ("ws small", Reach::Workspace(Uuid::from_u128(9)), vec![]),
        ("ep busy", Reach::Workspace(Uuid::from_u128(1)), vec![e(1)]),
        (
            "ep quiet",
            Reach::Workspace(Uuid::from_u128(1)),
            vec![e(33)],
        ),
        (
            "ep 20",
            Reach::Workspace(Uuid::from_u128(1)),
            (1..=20).map(e).collect(),
        ),
    ];
    let slow = std::env::var("SLOW").map_or(5.0, |s| s.parse().unwrap());
    let times = [
        ("", None, None),
        ("mid", at(333), at(666)),
        ("late", at(990), None),
    ];
    let types = [
        ("", vec![]),
        ("t1", vec!["t1".to_owned()]),
        ("t5", vec!["t5".to_owned()]),
        ("t1,t2", vec!["t1".to_owned(), "t2".to_owned()]),
    ];
    let pages = [
        Page {
            number: 1,
            limit: 10,
        },
        Page {
            number: 1000,
            limit: 10,
        },
        Page {
            number: 1000,
            limit: 100,
        },
        Page {
            number: 18_000,
            limit: 100,
        },
    ];
    let queries = if std::env::var("Q").is_ok() {
        vec![
            Some("abcd".to_owned()),
            Some("4".to_owned()),
            Some("404".to_owned()),
            Some("zz".to_owned()),
        ]
    } else {
        vec![None]
    };
    let only = std::env::var("ONLY").unwrap_or_default();
    let report = |name: String, page: Page, f: &dyn Fn() -> (usize, u64, Option<u64>)| {
        if !name.contains(&only) {
            return;
        }
        let mut best = f64::MAX;
        let mut out = (0, 0, None);
        for _ in 0..2 {
            let t = cpu();
            out = f();
            best = best.min((cpu() - t) * 1e3);
        }
        if best > slow {
            println!(
                "{best:8.1} ms  {name} page {}x{} -> {} of {} searched {:?}",
                page.number, page.limit, out.0, out.1, out.2
            );
        }
    };
    for (sn, reach, endpoints) in &scopes {
        for (tn, after, before) in &times {
            for (yn, types) in &types {
                for query in &queries {
                    let pages = if query.is_some() {
                        &pages[..1]
                    } else {
                        &pages[..]
                    };
                    for page in pages {
                        for (on, succeeded, class) in [
                            ("any", None, None),
                            ("ok", Some(true), None),
                            ("bad", Some(false), None),
                            ("3xx", None, Some(CodeClass::Redirect)),
                        ] {
                            let f = DeliveryFilter {
                                reach: *reach,
                                workspaces: vec![],
                                endpoints: endpoints.clone(),
                                event: None,
                                event_types: types.clone(),
                                after: *after,
                                before: *before,
                                succeeded,
                                code_class: class,
                                query: query.clone(),
                            };
                            report(
                                format!("delivery {sn} | {tn} | {yn} | {on} | {query:?}"),
                                *page,
                                &|| {
                                    let l = list_deliveries(&c, &f, *page).unwrap();
                                    (l.items.len(), l.total, l.searched)
                                },
                            );
                        }
                        for (on, statuses) in [
                            ("any", vec![]),
                            ("pend", vec![EventStatus::Pending]),
                            ("ok", vec![EventStatus::Succeeded]),
                            ("failed", vec![EventStatus::Failed]),
                            ("skip", vec![EventStatus::Skipped]),
                            ("ok+fail", vec![EventStatus::Succeeded, EventStatus::Failed]),
                        ] {
                            let f = EventFilter {
                                reach: *reach,
                                workspaces: vec![],
                                endpoints: endpoints.clone(),
                                event_types: types.clone(),
                                statuses,
                                after: *after,
                                before: *before,
                                query: query.clone(),
                            };
                            report(
                                format!("event {sn} | {tn} | {yn} | {on} | {query:?}"),
                                *page,
                                &|| {
                                    let l = list_events(&c, &f, *page).unwrap();
                                    (l.items.len(), l.total, l.searched)
                                },
                            );
                        }
                    }
                }
            }
        }
    }
}

/// CPU seconds of this thread: the machine is shared.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
