//! Tests of the order of turns, with times that the tests choose.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const PLACES: usize = 5;

fn owner(number: u128) -> Owner {
    Owner::new(Uuid::from_u128(number))
}

/// A queue, the time, and the work under way.
struct QueueFixture {
    queue: Queue<u32>,
    now: Instant,
    running: Vec<(u128, Instant)>,
}

impl QueueFixture {
    fn new() -> Self {
        Self {
            queue: Queue::new(PLACES, Share::LeavesRoom),
            now: Instant::now(),
            running: Vec::new(),
        }
    }

    fn wait(&mut self, number: u128, reads: u32) -> Vec<u64> {
        let wait = |read| self.queue.wait(owner(number), read, self.now);
        (0..reads).map(wait).collect()
    }

    /// Starts the work that may start, and returns its workspaces.
    fn start(&mut self) -> Vec<u128> {
        let mut started = Vec::new();
        while let Some((one, _)) = self.queue.next(self.now) {
            let number = one.id().as_u128();
            self.running.push((number, self.now));
            started.push(number);
        }
        started
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// Ends the oldest work of this workspace.
    fn end(&mut self, number: u128) {
        let at = self.running.iter().position(|(one, _)| *one == number);
        let (_, began) = self.running.remove(at.unwrap());
        self.queue.end(owner(number), began, self.now);
    }
}

#[test]
fn no_workspace_takes_all_places() {
    let mut fixture = QueueFixture::new();
    fixture.wait(1, 50);
    assert_eq!(fixture.start(), [1, 1, 1]);
    fixture.pass(500);
    // Each workspace that comes finds a place, while there are any.
    fixture.wait(2, 50);
    assert_eq!(fixture.start(), [2]);
    fixture.wait(3, 1);
    assert_eq!(fixture.start(), [3]);
    fixture.wait(4, 1);
    assert_eq!(fixture.start(), []);
    // A free place goes to a workspace without one, not to the one that waits longest.
    fixture.end(1);
    assert_eq!(fixture.start(), [4]);
}

#[test]
fn a_workspace_alone_takes_all_places_if_work_is_short() {
    let mut fixture = QueueFixture {
        queue: Queue::new(PLACES, Share::All),
        ..QueueFixture::new()
    };
    fixture.wait(1, 50);
    assert_eq!(fixture.start(), [1; PLACES]);
    fixture.wait(2, 50);
    assert_eq!(fixture.start(), []);
    // The next free place goes to the workspace without one.
    fixture.end(1);
    assert_eq!(fixture.start(), [2]);
}

#[test]
fn turns_go_by_the_time_used_and_not_by_their_number() {
    let mut fixture = QueueFixture::new();
    // Six workspaces that always have work waiting; that of the first takes a second, the others' 10 ms.
    for number in 1..=6 {
        fixture.wait(number, 10_000);
    }
    let mut turns = [0; 7];
    let count = |turns: &mut [u32; 7], started: Vec<u128>| {
        for number in started {
            turns[usize::try_from(number).unwrap()] += 1;
        }
    };
    count(&mut turns, fixture.start());
    for _ in 0..2000 {
        fixture.pass(10);
        let due = |(number, began): &(u128, Instant)| {
            let takes = if *number == 1 { 1000 } else { 10 };
            fixture.now - *began >= Duration::from_millis(takes)
        };
        let ended: Vec<u128> = fixture
            .running
            .iter()
            .filter(|one| due(one))
            .map(|one| one.0)
            .collect();
        for number in ended {
            fixture.end(number);
        }
        count(&mut turns, fixture.start());
    }
    // Five places for 20 s: each gets about a sixth of that time.
    assert!((14..=20).contains(&turns[1]), "{turns:?}");
    for others in &turns[2..] {
        assert!((1500..=2000).contains(others), "{turns:?}");
    }
}

#[test]
fn a_workspace_that_stays_away_saves_no_time_up() {
    let mut fixture = QueueFixture {
        queue: Queue::new(1, Share::LeavesRoom),
        ..QueueFixture::new()
    };
    let mut turns = Vec::new();
    for round in 0..60 {
        // Two workspaces share the one place for a while, before a third comes.
        if round == 40 {
            fixture.wait(3, 100);
        }
        fixture.wait(1, 1);
        fixture.wait(2, 1);
        turns.extend(fixture.start());
        fixture.pass(10);
        let (number, _) = fixture.running[0];
        fixture.end(number);
    }
    let of = |number| turns[40..].iter().filter(|turn| **turn == number).count();
    assert!(
        [1, 2, 3].into_iter().all(|number| of(number) >= 6),
        "{turns:?}"
    );
}

#[test]
fn within_a_workspace_the_oldest_is_first() {
    let mut queue = Queue::new(1, Share::LeavesRoom);
    let (one, now) = (owner(1), Instant::now());
    for read in 0..3 {
        queue.wait(one, read, now);
    }
    for read in 0..3 {
        assert_eq!(queue.next(now), Some((one, read)));
        assert_eq!(queue.next(now), None);
        queue.end(one, now, now);
    }
}

#[test]
fn the_number_of_waiting_work_is_bounded() {
    let mut fixture = QueueFixture::new();
    let one = u32::try_from(WAITING_OF_ONE).unwrap();
    fixture.wait(1, one);
    assert_eq!(fixture.queue.room_for(owner(1)), Err(Full));
    assert_eq!(fixture.queue.room_for(owner(2)), Ok(()));
    for other in 2..=10 {
        fixture.wait(other, one);
    }
    assert_eq!(fixture.queue.room_for(owner(11)), Err(Full));
    assert_eq!(fixture.start().len(), PLACES);
    assert_eq!(fixture.queue.room_for(owner(11)), Ok(()));
}

#[test]
fn work_that_is_dropped_leaves_the_queue() {
    let mut fixture = QueueFixture::new();
    let tickets = fixture.wait(1, 100);
    assert_eq!(fixture.start().len(), 3);
    for ticket in &tickets {
        fixture.queue.leave(owner(1), *ticket);
    }
    assert_eq!(fixture.queue.waiting, 0);
    assert_eq!(fixture.queue.free, 2, "those with a place keep it");
    fixture.pass(1);
    for _ in 0..3 {
        fixture.end(1);
    }
    assert_eq!(fixture.start(), []);
    assert_eq!(fixture.queue.free, PLACES);
    assert!(fixture.queue.accounts.is_empty(), "nothing is left of it");
}

proptest! {
    /// Places are neither lost nor given twice, and no place stays free while work may start.
    #[test]
    fn places_are_never_lost_nor_given_twice(acts in prop::collection::vec((0..4_u8, 0..6_u128, 0..50_usize), 1..300)) {
        let mut fixture = QueueFixture::new();
        let mut tickets = Vec::new();
        for (act, number, which) in acts {
            match act {
                0 => tickets.extend(fixture.wait(number, 1).into_iter().map(|ticket| (number, ticket))),
                1 if !tickets.is_empty() => {
                    let (number, ticket) = tickets.swap_remove(which % tickets.len());
                    fixture.queue.leave(owner(number), ticket);
                }
                2 if !fixture.running.is_empty() => {
                    let (number, _) = fixture.running[which % fixture.running.len()];
                    fixture.end(number);
                }
                _ => fixture.pass(which as u64),
            }
            fixture.start();
            let queue = &fixture.queue;
            prop_assert_eq!(queue.free + fixture.running.len(), PLACES);
            let waiting: usize = queue.accounts.values().map(|one| one.waiting.len()).sum();
            prop_assert_eq!(queue.waiting, waiting);
            for account in queue.accounts.values() {
                let idle = account.running.is_empty();
                prop_assert!(!idle || !account.waiting.is_empty());
                prop_assert!(!idle || account.waiting.is_empty() || queue.free == 0);
            }
        }
    }
}
