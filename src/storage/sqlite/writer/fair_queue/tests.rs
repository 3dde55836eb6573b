//! The order of turns, and the room that each owner finds.

use proptest::prelude::*;

use super::*;

const ROOM: Room = Room {
    operations: 60,
    bytes: 6000,
};

/// The most that an operation of these tests weighs, charges included.
const WEIGHT_MAX: u64 = 2000;

fn owner(number: u128) -> Owner {
    (number > 0).then(|| Uuid::from_u128(number))
}

fn entry(number: u128, item: u32, bytes: usize, weight: u64) -> Entry<u32> {
    Entry {
        owner: owner(number),
        bytes,
        weight,
        item,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push {
        owner: u128,
        bytes: usize,
        weight: u64,
    },
    /// Takes `taken` items, uses the first `used` of them, and puts the others back.
    Group {
        taken: usize,
        used: usize,
        more: u64,
    },
    Forgive,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u128..5, 0_usize..400, 1..=WEIGHT_MAX / 2)
            .prop_map(|(owner, bytes, weight)| Step::Push { owner, bytes, weight }),
        3 => (0_usize..12, 0_usize..12, 0..=WEIGHT_MAX / 2)
            .prop_map(|(taken, used, more)| Step::Group { taken, used, more }),
        1 => Just(Step::Forgive),
    ]
}

proptest! {
    #[test]
    fn each_owner_is_served_in_order_and_every_byte_is_accounted_for(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut queue = FairQueue::new(ROOM);
        let mut model: HashMap<Owner, VecDeque<(u32, usize)>> = HashMap::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Push { owner: number, bytes, weight } => {
                    next += 1;
                    let lane = model.entry(owner(number)).or_default();
                    let (held, held_bytes) = (lane.len(), lane.iter().map(|it| it.1).sum::<usize>());
                    let fits = held < ROOM.operations - queue.operations
                        && held_bytes + bytes <= ROOM.bytes - queue.bytes;
                    let pushed = queue.push(entry(number, next, bytes, weight));
                    prop_assert_eq!(pushed.is_ok(), fits);
                    if fits {
                        lane.push_back((next, bytes));
                    }
                }
                Step::Group { taken, used, more } => {
                    let mut group: Vec<_> = (0..taken).map_while(|_| queue.pop()).collect();
                    let back = group.split_off(used.min(group.len()));
                    for used in group {
                        let lane = model.get_mut(&used.owner).unwrap();
                        prop_assert_eq!(lane.pop_front(), Some((used.item, used.bytes)));
                        queue.charge(used.owner, more);
                    }
                    for entry in back.into_iter().rev() {
                        queue.put_back(entry);
                    }
                }
                Step::Forgive => queue.forgive(),
            }
            let waiting = model.values().map(VecDeque::len).sum::<usize>();
            let bytes = model.values().flatten().map(|it| it.1).sum::<usize>();
            prop_assert_eq!((queue.operations, queue.bytes), (waiting, bytes));
            prop_assert_eq!(queue.is_empty(), waiting == 0);
            let busy = model.values().filter(|lane| !lane.is_empty()).count();
            prop_assert_eq!(queue.ready.len(), busy);
            prop_assert_eq!(queue.lanes.len(), busy + queue.away.len());
        }
        let mut left = queue.drain();
        left.sort_unstable();
        let mut expected: Vec<u32> = model.values().flatten().map(|it| it.0).collect();
        expected.sort_unstable();
        prop_assert_eq!(left, expected);
        prop_assert!(queue.is_empty() && queue.lanes.is_empty());
    }

    /// Of owners that all have operations waiting, none gets ahead by more than one operation of each,
    /// whatever the operations weigh and whenever their weight becomes known.
    #[test]
    fn owners_that_wait_are_served_alike(
        weights in prop::collection::vec((1..=WEIGHT_MAX / 2, 0..=WEIGHT_MAX / 2), 3),
        turns in 1_usize..300,
    ) {
        let mut queue = FairQueue::new(Room { operations: 10_000, bytes: 0 });
        for item in 0..300 {
            for (number, (weight, _)) in (1..).zip(&weights) {
                prop_assert!(queue.push(entry(number, item, 0, *weight)).is_ok());
            }
        }
        let mut served: HashMap<Owner, u64> = HashMap::new();
        for _ in 0..turns {
            let taken = queue.pop().unwrap();
            let (weight, more) = weights[(taken.owner.unwrap().as_u128() - 1) as usize];
            queue.charge(taken.owner, more);
            *served.entry(taken.owner).or_default() += weight + more;
        }
        let of = |number| served.get(&owner(number)).copied().unwrap_or(0);
        let all = [of(1), of(2), of(3)];
        let spread = all.iter().max().unwrap() - all.iter().min().unwrap();
        prop_assert!(spread <= WEIGHT_MAX, "{all:?}");
    }

    /// A new owner has its turn before any other is served more than twice the heaviest operation, however
    /// much the others have waiting.
    #[test]
    fn who_comes_new_has_a_turn_soon(
        others in prop::collection::vec(1..=WEIGHT_MAX, 1..20),
        before in 0_usize..500,
    ) {
        let mut queue = FairQueue::new(Room { operations: 100_000, bytes: 0 });
        for (number, weight) in (2..).zip(&others) {
            for item in 0..1000 {
                prop_assert!(queue.push(entry(number, item, 0, *weight)).is_ok());
            }
        }
        for _ in 0..before {
            queue.pop();
        }
        prop_assert!(queue.push(entry(1, 7, 0, WEIGHT_MAX)).is_ok());
        let mut served: HashMap<Owner, u64> = HashMap::new();
        loop {
            let taken = queue.pop().unwrap();
            if taken.owner == owner(1) {
                break;
            }
            let so_far = served.entry(taken.owner).or_default();
            prop_assert!(*so_far <= WEIGHT_MAX, "{so_far}");
            *so_far += taken.weight;
        }
    }

    /// Owners that take all they can leave room for one more.
    #[test]
    fn a_full_queue_is_never_one_owners(greedy in 1_u128..20) {
        let mut queue = FairQueue::new(Room { operations: 6000, bytes: 1 << 20 });
        let mut refused = 0;
        let mut number = 0;
        // Until each owner was refused.
        while refused < greedy {
            refused = 0;
            for _ in 0..greedy {
                number = number % greedy + 1;
                if queue.push(entry(number, 0, 100, 1)).is_err() {
                    refused += 1;
                }
            }
        }
        let share = usize::try_from(6000 / (greedy + 1)).unwrap();
        let newcomer = greedy + 1;
        let mut held = 0;
        while queue.push(entry(newcomer, 0, 100, 1)).is_ok() {
            held += 1;
        }
        prop_assert!(held >= share / 2 - 1, "{held} of a share of {share}");
        prop_assert!(queue.lanes[&owner(1)].waiting.len() + 1 >= share);
    }
}

#[test]
fn time_away_earns_nothing_and_is_forgotten() {
    let mut queue = FairQueue::new(ROOM);
    for item in 0..20 {
        queue.push(entry(1, item, 0, 10)).unwrap();
    }
    for _ in 0..10 {
        assert_eq!(queue.pop().unwrap().owner, owner(1));
    }
    for item in 0..5 {
        queue.push(entry(2, item, 0, 10)).unwrap();
    }
    let turns: Vec<u128> = (0..10)
        .map(|_| queue.pop().unwrap().owner.unwrap().as_u128())
        .collect();
    assert_eq!(turns.iter().filter(|turn| **turn == 2).count(), 5);
    assert!(
        turns[..4].contains(&1) && turns[..4].contains(&2),
        "{turns:?}"
    );
    // Weight that is charged late counts when the owner is back.
    queue.charge(owner(2), 1000);
    queue.push(entry(2, 9, 0, 10)).unwrap();
    while let Some(taken) = queue.pop() {
        assert_eq!(taken.owner == owner(2), queue.is_empty());
    }
    assert!(!queue.lanes.is_empty());
    queue.forgive();
    assert!(queue.lanes.is_empty() && queue.away.is_empty());
}
