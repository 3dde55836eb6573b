//! The lines against a model that looks at everything each time.

use proptest::prelude::*;

use super::*;

const ENDPOINTS: usize = 12;
const CLASSES: [Class; 3] = [Class::Good, Class::New, Class::Bad];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Events for an endpoint.
    Want(usize, u32),
    /// Whoever's turn it is starts.
    Start,
    /// An attempt of an endpoint ends, and shows what class it is.
    End(usize, Class),
    /// Time goes by.
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
    /// When the attempts in flight started; they end in this order.
    in_flight: [Duration; 64],
    count: usize,
    standing: Option<(Line, u64)>,
}

struct Model {
    turns: Turns,
    senders: u32,
    now: Duration,
    endpoints: Vec<Endpoint>,
    used: Vec<Duration>,
    /// When each workspace was last busy.
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
                standing: None,
            })
            .collect();
        for endpoint in &endpoints {
            turns.opened(number(endpoint.workspace));
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

    fn held(&self, workspace: Option<usize>) -> Held {
        let mut held = Held::default();
        for endpoint in &self.endpoints {
            if workspace.is_none_or(|number| number == endpoint.workspace) {
                (0..endpoint.count).for_each(|_| held.take(endpoint.class));
            }
        }
        held
    }

    fn note_busy(&mut self) {
        for endpoint in &self.endpoints {
            if endpoint.count > 0 || endpoint.standing.is_some() {
                self.busy_at[endpoint.workspace] = Some(self.now);
            }
        }
    }

    fn settle(&mut self, at: usize) {
        let endpoint = self.endpoints[at];
        let line = Line::of(endpoint.class, u32::try_from(endpoint.count).unwrap());
        let workspace = number(endpoint.workspace);
        let ready = endpoint.events > 0 && endpoint.count < 64;
        let mut standing = endpoint.standing;
        if let Some((old, place)) = standing
            && (old != line || !ready)
        {
            self.turns.leave(workspace, old, place, self.now);
            standing = None;
        }
        self.endpoints[at].standing = standing;
        if ready && standing.is_none() {
            let endpoint = EndpointNumber(i64::try_from(at).unwrap());
            let place = self.turns.join(workspace, line, endpoint, self.now);
            self.endpoints[at].standing = Some((line, place));
        }
    }

    /// Whose turn it is: of all that stand anywhere, by the words of this module.
    fn expected(&self) -> Option<usize> {
        let mut all = Shares::new(self.senders);
        all.held = self.held(None);
        let mut heads = Vec::new();
        for line in Line::ALL {
            let may_start = |workspace: usize| {
                let own = self.held(Some(workspace));
                let crowded = (self.busy_at.iter().enumerate()).any(|(other, at)| {
                    other != workspace && at.is_some_and(|at| at + ABOUT > self.now)
                });
                let refusal = all.refuses(line, own.total(), own.beside(line), crowded);
                refusal.is_none()
            };
            let standing = self.endpoints.iter().enumerate().filter_map(|(at, it)| {
                let place = it.standing.filter(|(of, _)| *of == line)?.1;
                Some((it.workspace, place, at))
            });
            let first = standing
                .filter(|(workspace, ..)| may_start(*workspace))
                .min_by_key(|(workspace, place, _)| {
                    let own = self.held(Some(*workspace));
                    let leaves = own.total().min(all.few());
                    (
                        leaves,
                        own.beside(line),
                        self.used[*workspace],
                        *workspace,
                        *place,
                    )
                });
            heads.extend(first);
        }
        let first = heads.into_iter().min_by_key(|(workspace, ..)| {
            (self.held(Some(*workspace)).total(), self.used[*workspace])
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
                endpoint.standing = None;
                endpoint.events -= 1;
                let (workspace, class) = (number(endpoint.workspace), endpoint.class);
                self.turns.take(workspace, class, self.now);
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
                self.turns.give_back(workspace, before, took, self.now);
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
    /// Whoever used more, each use counting half as much with each half-life, is charged more.
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

    /// Whatever comes: the turn goes to who is to have it, and nobody is passed over who may start.
    #[test]
    fn the_turn_goes_to_the_workspace_that_holds_fewest_and_used_least(
        senders in 1_u32..40, workspaces in 1..6_usize, steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut model = Model::new(senders, workspaces);
        for step in steps {
            model.note_busy();
            model.take(step)?;
            model.note_busy();
            prop_assert_eq!(model.turns.held(), model.held(None));
            prop_assert!(model.turns.total() <= senders);
        }
    }
}

const NOW: Duration = Duration::from_hours(1);

/// Has endpoints of a workspace with nothing in flight stand in line; returns how many may start.
fn starts(turns: &mut Turns, workspace: usize, endpoints: i64, now: Duration) -> usize {
    let workspace = number(workspace);
    for endpoint in 0..endpoints {
        turns.opened(workspace);
        turns.join(workspace, Line::Idle, EndpointNumber(endpoint), now);
    }
    let start = || {
        turns.next(now)?;
        turns.take(workspace, Class::Good, now);
        Some(())
    };
    std::iter::from_fn(start).count()
}

/// Of 32 senders two are few.
#[test]
fn the_last_free_senders_are_for_workspaces_that_hold_few() {
    let mut turns = Turns::new(32);
    assert_eq!(starts(&mut turns, 2, 1, NOW), 1);
    turns.give_back(number(2), Class::Good, Duration::ZERO, NOW);
    // Another was busy just now, and may come again.
    assert_eq!(starts(&mut turns, 1, 40, NOW), 30);
    assert_eq!(starts(&mut turns, 2, 5, NOW), 1);
    assert_eq!(starts(&mut turns, 3, 5, NOW), 1);
    assert_eq!(turns.total(), 32);
}

#[test]
fn a_workspace_has_all_senders_when_no_other_was_busy_for_a_while() {
    for (pause, expected) in [(ABOUT / 2, 30), (ABOUT, 32)] {
        let mut turns = Turns::new(32);
        assert_eq!(starts(&mut turns, 2, 1, NOW), 1);
        turns.give_back(number(2), Class::Good, Duration::ZERO, NOW);
        assert_eq!(starts(&mut turns, 1, 40, NOW + pause), expected);
    }
}
