//! The thread of the jobs: finds the next events of each running job, and gives the writer small steps.
//!
//! A job has few events let go at a time ([`LET_GO_PER_ENDPOINT`], [`LET_GO_MAX`]): an endpoint that answers gets
//! the next ones soon, and one that does not holds up no other. Jobs take turns, and the endpoints of a job, too.
//! All that a job must remember is in the file, so that it goes on after a restart.

mod pace;
mod search;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use self::pace::Pace;
use self::search::{JobFacts, Place, next_step};
use super::background::{BackgroundThread, WakeUp};
use super::work::Work;
use crate::domain::clock::Clock;
use crate::domain::job::{JobAction, LET_GO_MAX, LET_GO_PER_ENDPOINT};
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::storage::sqlite::file::read_failure::read_error;
use crate::storage::sqlite::writer::Writer;
use crate::storage::sqlite::writes::jobs::step;
use crate::storage::{EndpointNumber, StoreError};

/// The period of looks for running jobs while none runs. A new job wakes the thread at once.
const IDLE: Duration = Duration::from_mins(1);

/// The shortest wait after a round in which no job could do anything, and the longest: each such round doubles it.
/// An endpoint that gets its events through is served again this soon.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_millis(200);

/// The time after a failure until the thread tries again.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// The time that one job works before the next one has its turn.
const TURN: Duration = Duration::from_millis(50);

/// The most events of one step that sends nothing: some milliseconds of the writer.
const STEP_ROWS: usize = 500;

/// The events that a job has let go while callers publish, to one endpoint and to all: with more of them, the senders
/// take the processor time that live events need.
const BESIDE_LIVE_PER_ENDPOINT: usize = 20;
const BESIDE_LIVE_MAX: usize = 200;

/// The time after a request of a caller that writes, such as a publish, during which jobs count as beside live traffic.
const LIVE_FOR: Duration = Duration::from_secs(1);

/// The thread's handle.
pub(crate) struct JobThread(BackgroundThread);

impl JobThread {
    /// Starts the thread, which goes on with the jobs that were running when the server stopped.
    pub(crate) fn start(
        writer: Arc<Writer>,
        clock: &dyn Clock,
        files: Arc<DatabaseFiles>,
    ) -> Result<Self, StoreError> {
        let thread = BackgroundThread::start("jobs", clock, move |wake_up| {
            Rounds {
                work: Work::new(&writer, &files, wake_up),
                writer: &writer,
                wake_up,
                live: LiveTraffic::default(),
                connection: None,
                paces: HashMap::new(),
                served: HashMap::new(),
            }
            .run();
        })?;
        Ok(Self(thread))
    }

    /// Returns the signals that wake the thread.
    pub(crate) fn wake_up(&self) -> Arc<WakeUp> {
        self.0.wake_up()
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.0.stop();
    }
}

/// The rounds of the thread, in which each running job has a turn.
struct Rounds<'a> {
    work: Work<'a>,
    writer: &'a Writer,
    wake_up: &'a WakeUp,
    live: LiveTraffic,
    /// The connection for reading, kept while jobs run.
    connection: Option<Connection>,
    /// The rates of the running jobs that have one.
    paces: HashMap<i64, Pace>,
    /// The endpoint of each running job that had the last turn.
    served: HashMap<i64, EndpointNumber>,
}

impl Rounds<'_> {
    fn run(&mut self) {
        let mut wait = WAIT_MIN;
        while !self.wake_up.is_stopping() {
            hit(FailPoint::JobsTurn);
            let pause = match self.rounds() {
                Ok(Progress::NothingRuns) => IDLE,
                Ok(Progress::GotOn) => {
                    wait = WAIT_MIN;
                    wait
                }
                Ok(Progress::Waits) => {
                    wait = (wait * 2).min(WAIT_MAX);
                    wait
                }
                Err(error) => {
                    // A disk that is full or fails has lines of its own.
                    if matches!(error, StoreError::Unavailable(_)) {
                        tracing::debug!(%error, "jobs will go on later");
                    } else {
                        tracing::warn!(%error, "jobs cannot go on; they will try again");
                    }
                    AFTER_ERROR
                }
            };
            self.wake_up.wait(pause);
        }
    }

    /// Gives each running job a turn, again and again while any of them gets on.
    fn rounds(&mut self) -> Result<Progress, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.work.connection()?,
        };
        let mut progress = Progress::Waits;
        while !self.wake_up.is_stopping() {
            let running = running_jobs(&connection).map_err(|error| read_error(&error))?;
            if running.is_empty() {
                return Ok(Progress::NothingRuns);
            }
            self.paces.retain(|job, _| running.contains(job));
            self.served.retain(|job, _| running.contains(job));
            let mut has_got_on = false;
            for job in running {
                has_got_on |= self.job_turn(&connection, job)?;
            }
            if !has_got_on {
                break;
            }
            progress = Progress::GotOn;
        }
        self.connection = Some(connection);
        Ok(progress)
    }

    /// Makes steps of a job while its turn lasts. Returns whether it has got on.
    fn job_turn(&mut self, connection: &Connection, job: i64) -> Result<bool, StoreError> {
        let read = |error: rusqlite::Error| read_error(&error);
        let Some(facts) = JobFacts::of(connection, job).map_err(read)? else {
            return Ok(false);
        };
        let let_go = let_go_of(connection, job).map_err(read)?;
        let requested = self.writer.requested_operations();
        let (per_endpoint, in_all) = if self.live.is_on(requested, Instant::now()) {
            (BESIDE_LIVE_PER_ENDPOINT, BESIDE_LIVE_MAX)
        } else {
            (LET_GO_PER_ENDPOINT, LET_GO_MAX)
        };
        let mut room = in_all.saturating_sub(let_go.values().sum());
        let mut allowed = self.allowed(job, facts.rate);
        let mut places = Place::all_of(connection, job).map_err(read)?;
        // The turn goes on after the endpoint that had the last one.
        let served = self.served.get(&job);
        let first = places.partition_point(|place| Some(&place.endpoint) <= served);
        places.rotate_left(first);
        // The reads before take long if the job has very many endpoints, and are no reason to make no step.
        let until = Instant::now() + TURN;
        let mut has_got_on = false;
        for place in places {
            if self.wake_up.is_stopping() || Instant::now() >= until {
                break;
            }
            let limit = match facts.action {
                // It goes on when the pause is over: what waited meanwhile would take the room of other endpoints.
                JobAction::Redeliver if place.takes_events && place.is_paused => 0,
                JobAction::Redeliver if place.takes_events => {
                    let of_endpoint = let_go.get(&place.endpoint).copied().unwrap_or_default();
                    let room = room.min(per_endpoint.saturating_sub(of_endpoint));
                    room.min(allowed)
                }
                // All of them are left out.
                JobAction::Redeliver => STEP_ROWS,
                JobAction::Skip => STEP_ROWS.min(allowed),
            };
            if limit == 0 {
                continue;
            }
            self.served.insert(job, place.endpoint);
            let found = next_step(connection, &facts, place, limit, until).map_err(read)?;
            let done = self
                .work
                .step(move |context| step::make(context, &found))?
                .done;
            if let Some(pace) = self.paces.get_mut(&job) {
                pace.take(done);
            }
            room = room.saturating_sub(done);
            allowed = allowed.saturating_sub(done);
            has_got_on = true;
        }
        Ok(has_got_on)
    }

    /// Returns the number of events that the rate of a job allows now.
    fn allowed(&mut self, job: i64, rate: Option<u32>) -> usize {
        let Some(rate) = rate else {
            return usize::MAX;
        };
        let now = Instant::now();
        let pace = self.paces.entry(job);
        pace.or_insert_with(|| Pace::new(rate, now)).allowed(now)
    }
}

/// The look at whether callers publish.
#[derive(Default)]
struct LiveTraffic {
    requested: u64,
    until: Option<Instant>,
}

impl LiveTraffic {
    /// Reports whether callers wrote anything lately. `requested` counts all that they asked for.
    fn is_on(&mut self, requested: u64, now: Instant) -> bool {
        if std::mem::replace(&mut self.requested, requested) != requested {
            self.until = Some(now + LIVE_FOR);
        }
        self.until.is_some_and(|until| now < until)
    }
}

/// The progress of all running jobs.
enum Progress {
    /// No job runs.
    NothingRuns,
    /// A job has got on.
    GotOn,
    /// All of them wait, for attempts or for their rates.
    Waits,
}

fn running_jobs(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached("SELECT n FROM job INDEXED BY job_running WHERE state = 0 ORDER BY n")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Returns the number of events that a job has let go and that were not attempted yet, by endpoint. The index has
/// only such events, so it is small.
fn let_go_of(
    connection: &Connection,
    job: i64,
) -> rusqlite::Result<HashMap<EndpointNumber, usize>> {
    connection
        .prepare_cached(concat!(
            "SELECT endpoint, count(*) FROM event INDEXED BY event_job WHERE ",
            state_is!(let_go),
            " AND job = ?1 GROUP BY endpoint"
        ))?
        .query_map(params![job], |row| {
            Ok((EndpointNumber(row.get(0)?), row.get(1)?))
        })?
        .collect()
}
