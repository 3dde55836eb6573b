//! Tests of the order of turns against a model that looks at all endpoints each time.

use proptest::prelude::*;

use super::*;

const ENDPOINTS: usize = 12;
const CLASSES: [Class; 3] = [Class::Good, Class::New, Class::Bad];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// An endpoint gets events.
    Want(usize, u32),
    /// The endpoint that has the turn starts an attempt.
    Start,
    /// An attempt of an endpoint ends, and the endpoint gets this class.
    End(usize, Class),
    /// Time passes.
    Pass(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..ENDPOINTS, 1..9_u32).prop_map(|(endpoint, events)| Step::Want(endpoint, events)),
        6 => Just(Step::Start),
        3 => (0..ENDPOINTS, prop::sample::select(&CLASSES))
            .prop_map(|(endpoint, class)| Step::End(endpoint, class)),
        2 => (0_u64..40_000).prop_map(|ms| Step::Pass(Duration::from_millis(ms))),
    ]
}

#[derive(Clone, Copy)]
struct Endpoint {
    workspace: usize,
    class: Class,
    events: u32,
    /// The start times of the attempts in flight; they end in this order.
    in_flight: [Duration; 64],
    count: usize,
    place: Option<(RingKind, u64)>,
}

struct Model {
    turns: Turns,
    senders: u32,
    now: Duration,
    endpoints: Vec<Endpoint>,
    used: Vec<Duration>,
    /// The time when each workspace was last busy.
    busy_at: Vec<Option<Duration>>,
}

fn number(workspace: usize) -> WorkspaceNumber {
    WorkspaceNumber(i64::try_from(workspace).unwrap())
}

impl Model {
    fn new(senders: u32, workspaces: usize) -> Self {
        let mut turns = Turns::new(senders);
        let endpoints: Vec<Endpoint> = (0..ENDPOINTS)
            .map(|at| Endpoint {
                workspace: at % workspaces,
                class: CLASSES[at % 3],
                events: 0,
                in_flight: [Duration::ZERO; 64],
                count: 0,
                place: None,
            })
            .collect();
        for endpoint in &endpoints {
            turns.endpoint_added(number(endpoint.workspace));
        }
        Self {
            turns,
            senders,
            now: Duration::from_hours(1),
            endpoints,
            used: vec![Duration::ZERO; workspaces],
            busy_at: vec![None; workspaces],
        }
    }

    fn in_flight(&self, workspace: Option<usize>) -> InFlightCounts {
        let mut counts = InFlightCounts::default();
        for endpoint in &self.endpoints {
            if workspace.is_none_or(|number| number == endpoint.workspace) {
                (0..endpoint.count).for_each(|_| counts.attempt_started(endpoint.class));
            }
        }
        counts
    }

    fn note_busy(&mut self) {
        for endpoint in &self.endpoints {
            if endpoint.count > 0 || endpoint.place.is_some() {
                self.busy_at[endpoint.workspace] = Some(self.now);
            }
        }
    }

    fn settle(&mut self, at: usize) {
        let endpoint = self.endpoints[at];
        let kind = RingKind::of(endpoint.class, u32::try_from(endpoint.count).unwrap());
        let workspace = number(endpoint.workspace);
        let ready = endpoint.events > 0 && endpoint.count < 64;
        let mut current = endpoint.place;
        if let Some((old, place)) = current
            && (old != kind || !ready)
        {
            self.turns.leave(workspace, old, place, self.now);
            current = None;
        }
        self.endpoints[at].place = current;
        if ready && current.is_none() {
            let endpoint = EndpointNumber(i64::try_from(at).unwrap());
            let place = self.turns.join(workspace, kind, endpoint, self.now);
            self.endpoints[at].place = Some((kind, place));
        }
    }

    /// Returns the endpoint that has the turn by the module's description, found among all that wait.
    fn expected(&self) -> Option<usize> {
        let mut all = Shares::new(self.senders);
        all.in_flight = self.in_flight(None);
        let mut heads = Vec::new();
        for kind in RingKind::ALL {
            let may_start = |workspace: usize| {
                let own = self.in_flight(Some(workspace));
                let crowded = (self.busy_at.iter().enumerate()).any(|(other, at)| {
                    other != workspace && at.is_some_and(|at| at + ACTIVE > self.now)
                });
                let refusal = all.refusal(kind, own.total(), own.counted_with(kind), crowded);
                refusal.is_none()
            };
            let current = self.endpoints.iter().enumerate().filter_map(|(at, it)| {
                let place = it.place.filter(|(of, _)| *of == kind)?.1;
                Some((it.workspace, place, at))
            });
            let first = current
                .filter(|(workspace, ..)| may_start(*workspace))
                .min_by_key(|(workspace, place, _)| {
                    let own = self.in_flight(Some(*workspace));
                    let leaves = own.total().min(all.few());
                    (
                        leaves,
                        own.counted_with(kind),
                        self.used[*workspace],
                        *workspace,
                        *place,
                    )
                });
            heads.extend(first);
        }
        let first = heads.into_iter().min_by_key(|(workspace, ..)| {
            (
                self.in_flight(Some(*workspace)).total(),
                self.used[*workspace],
            )
        });
        first.map(|(.., at)| at)
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Want(at, events) => {
                self.endpoints[at].events += events;
                self.settle(at);
            }
            Step::Start => {
                let expected = self.expected();
                let next = self.turns.next(self.now);
                let next = next.map(|EndpointNumber(at)| usize::try_from(at).unwrap());
                prop_assert_eq!(next, expected);
                let Some(at) = next else {
                    return Ok(());
                };
                let endpoint = &mut self.endpoints[at];
                endpoint.place = None;
                endpoint.events -= 1;
                let (workspace, class) = (number(endpoint.workspace), endpoint.class);
                self.turns.attempt_started(workspace, class, self.now);
                endpoint.in_flight[endpoint.count] = self.now;
                endpoint.count += 1;
                self.settle(at);
            }
            Step::End(at, class) if self.endpoints[at].count > 0 => {
                let endpoint = &mut self.endpoints[at];
                let took = self.now.checked_sub(endpoint.in_flight[0]).unwrap();
                endpoint.in_flight.rotate_left(1);
                endpoint.count -= 1;
                let used = &mut self.used[endpoint.workspace];
                *used = used_until(*used, took + TURN_COST, self.now);
                let before = std::mem::replace(&mut endpoint.class, class);
                let in_flight = u32::try_from(endpoint.count).unwrap();
                let workspace = number(endpoint.workspace);
                self.turns.attempt_ended(workspace, before, took, self.now);
                let change = (before, class);
                self.turns
                    .reclassify(workspace, change, in_flight, self.now);
                self.settle(at);
            }
            Step::End(..) => {}
            Step::Pass(time) => self.now += time,
        }
        Ok(())
    }
}

proptest! {
    /// Used time is charged, and counts half as much after each half-life.
    #[test]
    fn what_was_used_is_forgotten_by_halves(
        uses in prop::collection::vec((0_u64..20_000, 1_u64..10_000), 1..50), pause in 0_u64..30_000,
    ) {
        let (mut now, mut until, mut sum) = (Duration::from_hours(1), Duration::ZERO, 0.0);
        let halve = |sum: f64, time: Duration| sum * 0.5_f64.powf(time.as_secs_f64());
        for (gap, took) in uses {
            let (gap, took) = (Duration::from_millis(gap), Duration::from_millis(took));
            now += gap;
            sum = halve(sum, gap) + took.as_secs_f64();
            until = used_until(until, took, now);
        }
        let pause = Duration::from_millis(pause);
        let counts = 1e-6 * 2_f64.powf(until.as_secs_f64() - (now + pause).as_secs_f64());
        let expected = halve(sum, pause);
        prop_assert!((counts / expected - 1.0).abs() < 0.01, "{} is not {}", counts, expected);
    }

    /// After any sequence of steps the turn goes to the right endpoint, and none is passed over that may
    /// start.
    #[test]
    fn the_turn_goes_to_the_workspace_that_holds_fewest_and_used_least(
        senders in 1_u32..40, workspaces in 1..6_usize, steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut model = Model::new(senders, workspaces);
        for step in steps {
            model.note_busy();
            model.take(step)?;
            model.note_busy();
            prop_assert_eq!(model.turns.in_flight_counts(), model.in_flight(None));
            prop_assert!(model.turns.total() <= senders);
        }
    }
}

const NOW: Duration = Duration::from_hours(1);

/// Puts idle endpoints of a workspace into a ring, and starts all that may start; returns their number.
fn starts(turns: &mut Turns, workspace: usize, endpoints: i64, now: Duration) -> usize {
    let workspace = number(workspace);
    for endpoint in 0..endpoints {
        turns.endpoint_added(workspace);
        turns.join(workspace, RingKind::Idle, EndpointNumber(endpoint), now);
    }
    let start = || {
        turns.next(now)?;
        turns.attempt_started(workspace, Class::Good, now);
        Some(())
    };
    std::iter::from_fn(start).count()
}

/// Of 32 senders two are few.
#[test]
fn the_last_free_senders_are_for_workspaces_that_hold_few() {
    let mut turns = Turns::new(32);
    assert_eq!(starts(&mut turns, 2, 1, NOW), 1);
    turns.attempt_ended(number(2), Class::Good, Duration::ZERO, NOW);
    // Another workspace was busy just now, and may have events again.
    assert_eq!(starts(&mut turns, 1, 40, NOW), 30);
    assert_eq!(starts(&mut turns, 2, 5, NOW), 1);
    assert_eq!(starts(&mut turns, 3, 5, NOW), 1);
    assert_eq!(turns.total(), 32);
}

#[test]
fn a_workspace_has_all_senders_when_no_other_was_busy_for_a_while() {
    for (pause, expected) in [(ACTIVE / 2, 30), (ACTIVE, 32)] {
        let mut turns = Turns::new(32);
        assert_eq!(starts(&mut turns, 2, 1, NOW), 1);
        turns.attempt_ended(number(2), Class::Good, Duration::ZERO, NOW);
        assert_eq!(starts(&mut turns, 1, 40, NOW + pause), expected);
    }
}
