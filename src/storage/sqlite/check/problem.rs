//! The kinds of problems that a check can find, and what a check has found of each.

use std::collections::BTreeMap;

use rusqlite::Connection;
use uuid::Uuid;

/// The most rows of a kind of problem that are named.
const NAMED_MAX: usize = 5;

/// Defines the parts of the check, and the kinds of problems of each.
macro_rules! kinds {
    ($($(#[$part_doc:meta])* $part:ident = $name:literal {
        $($(#[$doc:meta])* $kind:ident = $text:literal, $remedy:ident;)+
    })+) => {
        /// A part of the check: a line of the report, if it finds nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Part {
            $($(#[$part_doc])* $part,)+
        }

        impl Part {
            /// Every part, in the order of the report.
            pub(super) const ALL: [Self; [$($name),+].len()] = [$(Self::$part),+];

            /// Returns its name in the report, which is stable.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$part => $name,)+
                }
            }
        }

        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Kind {
            $($($(#[$doc])* $kind,)+)+
        }

        impl Kind {
            /// Returns the part of the check that finds it.
            pub(super) const fn part(self) -> Part {
                match self {
                    $($(Self::$kind => Part::$part,)+)+
                }
            }

            /// Returns its name in the report.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $($(Self::$kind => $text,)+)+
                }
            }

            /// Returns what mends it.
            pub(super) const fn remedy(self) -> Remedy {
                match self {
                    $($(Self::$kind => Remedy::$remedy,)+)+
                }
            }
        }
    };
}

/// The remedy for a kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// A repair corrects it in the file, from what the file has elsewhere.
    Repair,
    /// A repair writes all tables into a new file, and loses nothing.
    Rewrite,
    /// Only a backup has what is lost.
    Restore,
    /// The operator decides: another program made it.
    Operator,
}

kinds! {
    /// The pages of the file, as `SQLite` checks them.
    Pages = "pages" {
        WrongIndex = "indexes that disagree with their table", Repair;
        DamagedIndex = "indexes or derived tables with damaged pages", Rewrite;
        LostPage = "pages that are used twice, or by nothing", Rewrite;
        DamagedTable = "tables with damaged pages", Restore;
        Unreadable = "checks that came to a damaged page", Rewrite;
    }
    /// The tables and indexes, compared with those that the migrations make.
    Schema = "schema" {
        MissingIndex = "indexes that are missing", Repair;
        WrongTable = "tables or indexes that are missing or have another form", Restore;
        ForeignObject = "triggers or indexes on our tables that are not ours", Operator;
    }
    /// Endpoints, their workspaces and their old secrets.
    Endpoints = "endpoints" {
        EndpointWithoutWorkspace = "endpoints without their workspace", Repair;
        OldSecretWithoutEndpoint = "old secrets without their endpoint", Repair;
    }
    /// Access tokens, their workspaces and the tokens that made them.
    Tokens = "tokens" {
        TokenWithoutWorkspace = "tokens without their workspace", Repair;
        TokenWithoutParent = "tokens without the token that made them", Repair;
    }
    /// Jobs, their workspaces and their places.
    Jobs = "jobs" {
        JobWithoutWorkspace = "jobs without their workspace", Repair;
        JobWithoutPlace = "running jobs that have nothing to look at", Repair;
        PlaceWithoutJob = "places of jobs that do not run", Repair;
    }
    /// Messages, and what belongs to each.
    Messages = "messages" {
        MessageWithoutWorkspace = "messages without their workspace", Repair;
        MessageWithoutType = "messages without their type", Repair;
        MessageRange = "messages with a wrong range of events", Repair;
        KeyWithoutMessage = "idempotency keys without their message", Repair;
        KeyWorkspace = "idempotency keys of another workspace than their message", Repair;
        TagsWithoutMessage = "tags without their message, or of another workspace", Repair;
        WrongLaterEvent = "notes of later events that are wrong", Repair;
    }
    /// Events: their references, copied columns and states.
    Events = "events" {
        EventWithoutMessage = "events without their message", Repair;
        EventWithoutEndpoint = "events without their endpoint", Repair;
        EventWithoutType = "events without their type", Repair;
        EventOutsideRange = "events outside of the range of their message", Repair;
        EventOfOtherWorkspace = "events whose endpoint is of another workspace than their message", Repair;
        EventWorkspace = "events with another workspace than their endpoint", Repair;
        EventType = "events with another type than their message", Repair;
        EventState = "events with an unknown state", Repair;
        DueWithoutRetry = "events with a due time that wait for no retry", Repair;
        RetryWithoutDue = "events that wait for a retry without a due time", Repair;
        FreshInLaterRun = "events that are fresh after an attempt or a redelivery", Repair;
        PendingWithoutPayload = "pending events whose payload is gone", Repair;
        RunTooLow = "events with a run before their first", Repair;
        RunTooHigh = "events with a run that was never begun", Repair;
        RunAttempts = "events with more attempts in a run than in all", Repair;
        JobWithoutWait = "events of a job that wait for no attempt", Repair;
    }
    /// Deliveries: their references, copied columns and numbers.
    Deliveries = "deliveries" {
        DeliveryWithoutEvent = "deliveries without their event", Repair;
        DeliveryCopies = "deliveries with another endpoint, workspace or type than their event", Repair;
        AttemptTooHigh = "deliveries with a higher number than their event has attempts", Repair;
        TooManyDeliveries = "events with more deliveries than attempts", Repair;
    }
    /// Counters of events, of deliveries and of messages.
    Counters = "counters" {
        EventCounters = "blocks of events whose counters are wrong", Repair;
        DeliveryCounters = "blocks of deliveries whose counters are wrong", Repair;
        MessageCounters = "blocks of messages whose counters are wrong", Repair;
    }
    /// Counts of attempts for charts.
    Charts = "charts" {
        WrongChart = "rows that no attempts can have made", Repair;
    }
    /// List indexes of events, of deliveries and of messages.
    Lists = "list indexes" {
        MissingEntry = "entries that are missing", Repair;
        WrongEntry = "entries that no row has", Repair;
        WrongTombstone = "tombstones of rows that are there", Repair;
        MessageList = "blocks of messages whose list index is wrong", Repair;
    }
    /// Steps back of the wall clock.
    Clock = "clock steps" {
        MissingStep = "times that fall without a step", Repair;
    }
    /// The single values in the table `meta`.
    Marks = "marks" {
        MissingMark = "values that are missing", Repair;
        WrongMark = "values beyond the last row", Repair;
    }
}

impl Kind {
    /// Returns the table and the column of numbers of the rows that it names; `None` if it names something else.
    const fn rows(self) -> Option<(&'static str, &'static str)> {
        match self.part() {
            Part::Endpoints => Some(("endpoint", "n")),
            Part::Tokens => Some(("token", "n")),
            Part::Messages => Some(("message", "seq")),
            Part::Events => Some(("event", "seq")),
            Part::Deliveries if matches!(self, Self::TooManyDeliveries) => Some(("event", "seq")),
            Part::Deliveries => Some(("delivery", "seq")),
            _ => None,
        }
    }
}

/// The findings of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// The first of them.
    pub(super) named: Vec<String>,
}

/// All problems that were found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found(BTreeMap<Kind, Tally>);

impl Found {
    /// Notes a problem. `name` is called for the first ones only.
    pub(super) fn note(&mut self, kind: Kind, name: impl FnOnce() -> String) {
        let tally = self.0.entry(kind).or_default();
        tally.count += 1;
        if tally.named.len() < NAMED_MAX {
            tally.named.push(name());
        }
    }

    /// Returns the first name that was noted for a kind of problem.
    pub(super) fn first_name(&self, kind: Kind) -> Option<String> {
        self.0.get(&kind)?.named.first().cloned()
    }

    /// Notes a problem of row `number`.
    pub(super) fn note_row(&mut self, kind: Kind, number: i64) {
        self.note(kind, || number.to_string());
    }

    /// Adds what another part of the check has found.
    pub(super) fn add(&mut self, other: Self) {
        for (kind, mut tally) in other.0 {
            let own = self.0.entry(kind).or_default();
            own.count += tally.count;
            let room = NAMED_MAX.saturating_sub(own.named.len());
            tally.named.truncate(room);
            own.named.append(&mut tally.named);
        }
    }

    /// Returns the number of problems of a kind.
    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.0.get(&kind).map_or(0, |tally| tally.count)
    }

    /// Reports whether a kind was found.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.0.contains_key(&kind)
    }

    /// Returns all kinds that were found.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (Kind, &Tally)> {
        self.0.iter().map(|(kind, tally)| (*kind, tally))
    }

    /// Puts the ids of rows beside their numbers.
    pub(super) fn name_rows(&mut self, connection: &Connection) {
        for (kind, tally) in &mut self.0 {
            let Some((table, number)) = kind.rows() else {
                continue;
            };
            let sql = format!("SELECT id FROM {table} WHERE {number} = CAST(?1 AS INTEGER)");
            for name in &mut tally.named {
                let id: rusqlite::Result<Uuid> =
                    connection.query_row(&sql, [&*name], |row| row.get(0));
                if let Ok(id) = id {
                    *name = format!("{name} ({id})");
                }
            }
        }
    }
}
