//! Whose turn it is, with made-up times.

use proptest::prelude::*;

use super::*;

const PLACES: usize = 5;

/// A queue, the time, and who reads.
struct World {
    queue: Queue<u32>,
    now: Instant,
    running: Vec<(u128, Instant)>,
}

impl World {
    fn new() -> Self {
        Self {
            queue: Queue::new(PLACES, Share::LeavesRoom),
            now: Instant::now(),
            running: Vec::new(),
        }
    }

    fn wait(&mut self, key: u128, reads: u32) -> Vec<u64> {
        let wait = |read| self.queue.wait(Uuid::from_u128(key), read, self.now);
        (0..reads).map(wait).collect()
    }

    /// Starts what may start; whose these reads are.
    fn start(&mut self) -> Vec<u128> {
        let mut started = Vec::new();
        while let Some((key, _)) = self.queue.next(self.now) {
            let key = key.as_u128();
            self.running.push((key, self.now));
            started.push(key);
        }
        started
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// Ends the oldest read of this workspace.
    fn end(&mut self, key: u128) {
        let at = self.running.iter().position(|(one, _)| *one == key);
        let (_, began) = self.running.remove(at.unwrap());
        self.queue.end(Uuid::from_u128(key), began, self.now);
    }
}

#[test]
fn nobody_takes_all_places() {
    let mut world = World::new();
    world.wait(1, 50);
    assert_eq!(world.start(), [1, 1, 1]);
    world.pass(500);
    // Those who come find a place each, while there are any.
    world.wait(2, 50);
    assert_eq!(world.start(), [2]);
    world.wait(3, 1);
    assert_eq!(world.start(), [3]);
    world.wait(4, 1);
    assert_eq!(world.start(), []);
    // What gets free is for who has none, not for who waits longest.
    world.end(1);
    assert_eq!(world.start(), [4]);
}

#[test]
fn one_alone_takes_all_places_where_work_is_short() {
    let mut world = World {
        queue: Queue::new(PLACES, Share::All),
        ..World::new()
    };
    world.wait(1, 50);
    assert_eq!(world.start(), [1; PLACES]);
    world.wait(2, 50);
    assert_eq!(world.start(), []);
    // The next that gets free is for who has none.
    world.end(1);
    assert_eq!(world.start(), [2]);
}

#[test]
fn time_is_charged_and_not_turns() {
    let mut world = World::new();
    // Six who always have reads waiting; those of the first take a second, the others' 10 ms.
    for key in 1..=6 {
        world.wait(key, 10_000);
    }
    let mut turns = [0; 7];
    let count = |turns: &mut [u32; 7], started: Vec<u128>| {
        for key in started {
            turns[usize::try_from(key).unwrap()] += 1;
        }
    };
    count(&mut turns, world.start());
    for _ in 0..2000 {
        world.pass(10);
        let due = |(key, began): &(u128, Instant)| {
            let takes = if *key == 1 { 1000 } else { 10 };
            world.now - *began >= Duration::from_millis(takes)
        };
        let ended: Vec<u128> = world
            .running
            .iter()
            .filter(|one| due(one))
            .map(|one| one.0)
            .collect();
        for key in ended {
            world.end(key);
        }
        count(&mut turns, world.start());
    }
    // Five places for 20 s: each gets about a sixth of that time.
    assert!((14..=20).contains(&turns[1]), "{turns:?}");
    for others in &turns[2..] {
        assert!((1500..=2000).contains(others), "{turns:?}");
    }
}

#[test]
fn who_stays_away_saves_nothing_up() {
    let mut world = World {
        queue: Queue::new(1, Share::LeavesRoom),
        ..World::new()
    };
    let mut turns = Vec::new();
    for round in 0..60 {
        // Two share the one place for a while, before a third comes.
        if round == 40 {
            world.wait(3, 100);
        }
        world.wait(1, 1);
        world.wait(2, 1);
        turns.extend(world.start());
        world.pass(10);
        let (key, _) = world.running[0];
        world.end(key);
    }
    let of = |key| turns[40..].iter().filter(|turn| **turn == key).count();
    assert!([1, 2, 3].into_iter().all(|key| of(key) >= 6), "{turns:?}");
}

#[test]
fn within_a_workspace_the_oldest_is_first() {
    let mut queue = Queue::new(1, Share::LeavesRoom);
    let (key, now) = (Uuid::nil(), Instant::now());
    for read in 0..3 {
        queue.wait(key, read, now);
    }
    for read in 0..3 {
        assert_eq!(queue.next(now), Some((key, read)));
        assert_eq!(queue.next(now), None);
        queue.end(key, now, now);
    }
}

#[test]
fn there_is_an_end_to_how_many_wait() {
    let mut world = World::new();
    let key = Uuid::from_u128;
    let one = u32::try_from(WAITING_OF_ONE).unwrap();
    world.wait(1, one);
    assert_eq!(world.queue.room_for(key(1)), Err(Full));
    assert_eq!(world.queue.room_for(key(2)), Ok(()));
    for other in 2..=10 {
        world.wait(other, one);
    }
    assert_eq!(world.queue.room_for(key(11)), Err(Full));
    assert_eq!(world.start().len(), PLACES);
    assert_eq!(world.queue.room_for(key(11)), Ok(()));
}

#[test]
fn who_hangs_up_leaves() {
    let mut world = World::new();
    let tickets = world.wait(1, 100);
    assert_eq!(world.start().len(), 3);
    for ticket in &tickets {
        world.queue.leave(Uuid::from_u128(1), *ticket);
    }
    assert_eq!(world.queue.waiting, 0);
    assert_eq!(world.queue.free, 2, "those with a place keep it");
    world.pass(1);
    for _ in 0..3 {
        world.end(1);
    }
    assert_eq!(world.start(), []);
    assert_eq!(world.queue.free, PLACES);
    assert!(world.queue.accounts.is_empty(), "nothing is left of it");
}

proptest! {
    /// Whatever happens, places are neither lost nor given twice, and none stays free for nothing.
    #[test]
    fn accounts_stay_right(acts in prop::collection::vec((0..4_u8, 0..6_u128, 0..50_usize), 1..300)) {
        let mut world = World::new();
        let mut tickets = Vec::new();
        for (act, key, which) in acts {
            match act {
                0 => tickets.extend(world.wait(key, 1).into_iter().map(|ticket| (key, ticket))),
                1 if !tickets.is_empty() => {
                    let (key, ticket) = tickets.swap_remove(which % tickets.len());
                    world.queue.leave(Uuid::from_u128(key), ticket);
                }
                2 if !world.running.is_empty() => {
                    let (key, _) = world.running[which % world.running.len()];
                    world.end(key);
                }
                _ => world.pass(which as u64),
            }
            world.start();
            let queue = &world.queue;
            prop_assert_eq!(queue.free + world.running.len(), PLACES);
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
