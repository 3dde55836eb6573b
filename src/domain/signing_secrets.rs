//! The secrets that sign for an endpoint: the present one, and old ones for a while after a rotation.
//!
//! While an old secret signs beside the present one, receivers that have either of the two find a valid entry in
//! `webhook-signature`. So a secret can be replaced without a failed delivery. An old secret weakens nobody: whoever
//! has it could sign before, and a receiver that verifies with the new one ignores the entries of the old one.
//!
//! Pure rules: the caller gives the time.

use std::time::Duration;

use super::clock::Timestamp;
use super::secret::{GivenSecret, OtherPublicKey, Secret, SecretType};

/// The most old secrets of an endpoint. A header then has at most six entries, since a `whsec_` secret makes two.
/// A rotation that would keep more drops the oldest one: no rotation is refused.
pub const OLD_SECRETS_MAX: usize = 2;

/// The longest overlap, in seconds: a week. A receiver that has not got its new secret by then was forgotten.
pub const OVERLAP_MAX_S: u64 = 7 * 24 * 3600;

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// The secret.
    pub secret: Secret,
    /// The time from which on it signs nothing.
    pub ends_at: Timestamp,
}

/// The secrets of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningSecrets {
    present: Secret,
    /// At most [`OLD_SECRETS_MAX`], the newest first.
    old: Vec<OldSecret>,
}

/// A caller's wish to rotate the secret of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRotation {
    /// The new secret; `None`: a random one. The secret that the endpoint has rotates nothing, and only ends the
    /// overlap earlier.
    pub secret: Option<GivenSecret>,
    /// The type of a random secret; `None`: that of the present one.
    pub secret_type: Option<SecretType>,
    /// The time for which the present secret signs beside the new one; `None`: the default.
    pub overlap: Option<Duration>,
    /// The overlap for which nobody asked.
    pub default_overlap: Duration,
}

impl SecretRotation {
    /// Returns a rotation to a random secret of the present type, with this overlap.
    #[must_use]
    pub fn random(overlap: Duration) -> Self {
        Self {
            secret: None,
            secret_type: None,
            overlap: Some(overlap),
            default_overlap: overlap,
        }
    }

    /// Returns the end of the overlap: from now on only the present secret signs.
    #[must_use]
    pub fn end_of_overlap() -> Self {
        Self {
            secret: Some(GivenSecret::Present),
            ..Self::random(Duration::ZERO)
        }
    }
}

impl SigningSecrets {
    /// Returns a secret without old ones.
    #[must_use]
    pub const fn new(present: Secret) -> Self {
        Self {
            present,
            old: Vec::new(),
        }
    }

    /// Takes stored secrets; the old ones newest first.
    #[must_use]
    pub const fn from_stored(present: Secret, old: Vec<OldSecret>) -> Self {
        Self { present, old }
    }

    /// Returns the present secret.
    #[must_use]
    pub const fn present(&self) -> &Secret {
        &self.present
    }

    /// Returns the old secrets, newest first. Their time may be over.
    #[must_use]
    pub fn old(&self) -> &[OldSecret] {
        &self.old
    }

    /// Returns the secrets that sign an attempt at `now`: the present one, then old ones, newest first.
    pub fn signing_at(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        let old = self.old.iter().filter(move |old| now < old.ends_at);
        std::iter::once(&self.present).chain(old.map(|old| &old.secret))
    }

    /// Returns the time when the last old secret ends; `None` if there is none.
    #[must_use]
    pub fn overlap_ends_at(&self) -> Option<Timestamp> {
        self.old.iter().map(|old| old.ends_at).max()
    }

    /// Drops the old secrets whose time is over at `now`.
    pub fn forget_ended(&mut self, now: Timestamp) {
        self.old.retain(|old| now < old.ends_at);
    }

    /// Replaces the present secret at once, without overlap, and drops the old ones. The present secret itself
    /// changes nothing, so that clients can send back what they read.
    ///
    /// # Errors
    /// [`OtherPublicKey`]; nothing is changed.
    pub fn replace(&mut self, given: &GivenSecret) -> Result<(), OtherPublicKey> {
        if let Some(new) = given.unless_present(&self.present)? {
            *self = Self::new(new);
        }
        Ok(())
    }

    /// Rotates the secret at `now`. The overlap holds for the secret that was the present one; older ones keep their
    /// ends. With an overlap of zero no old secret signs any longer.
    ///
    /// # Errors
    /// [`OtherPublicKey`]; nothing is changed.
    pub fn rotate(
        &mut self,
        rotation: &SecretRotation,
        now: Timestamp,
    ) -> Result<(), OtherPublicKey> {
        let new = if let Some(given) = &rotation.secret {
            given.unless_present(&self.present)?
        } else {
            let kind = rotation.secret_type;
            let kind = kind.unwrap_or_else(|| self.present.secret_type());
            Some(Secret::generate_of(kind))
        };
        match new {
            Some(new) => {
                let overlap = rotation.overlap.unwrap_or(rotation.default_overlap);
                self.rotate_to(new, overlap, now);
            }
            None => {
                if let Some(overlap) = rotation.overlap {
                    self.shorten(now.after(overlap));
                }
            }
        }
        self.forget_ended(now);
        Ok(())
    }

    fn rotate_to(&mut self, new: Secret, overlap: Duration, now: Timestamp) {
        if overlap.is_zero() {
            *self = Self::new(new);
            return;
        }
        // A secret that comes back signs once, as the present one.
        self.old
            .retain(|old| old.secret != new && now < old.ends_at);
        let secret = std::mem::replace(&mut self.present, new);
        let ends_at = now.after(overlap);
        self.old.insert(0, OldSecret { secret, ends_at });
        self.old.truncate(OLD_SECRETS_MAX);
    }

    /// Lets no old secret sign beyond `end`.
    fn shorten(&mut self, end: Timestamp) {
        for old in &mut self.old {
            old.ends_at = old.ends_at.min(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(hours: u32) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).after(HOUR * hours)
    }

    fn to(secret: &Secret, overlap: Option<Duration>) -> SecretRotation {
        SecretRotation {
            secret: Some(GivenSecret::Secret(secret.clone())),
            secret_type: None,
            overlap,
            default_overlap: 24 * HOUR,
        }
    }

    fn signing(secrets: &SigningSecrets, now: Timestamp) -> Vec<Secret> {
        secrets.signing_at(now).cloned().collect()
    }

    #[test]
    fn an_old_secret_signs_until_its_end_and_not_at_it() {
        let [first, second] = [(); 2].map(|()| Secret::generate());
        let mut secrets = SigningSecrets::new(first.clone());
        secrets.rotate(&to(&second, None), at(0)).unwrap();
        assert_eq!(secrets.overlap_ends_at(), Some(at(24)));
        let last = at(24).before(Duration::from_micros(1));
        assert_eq!(signing(&secrets, last), [second.clone(), first]);
        assert_eq!(signing(&secrets, at(24)), [second]);
        secrets.forget_ended(last);
        assert_eq!(secrets.old().len(), 1);
        secrets.forget_ended(at(24));
        assert_eq!((secrets.old(), secrets.overlap_ends_at()), (&[][..], None));
    }

    #[test]
    fn the_third_rotation_drops_the_first_secret_and_the_newest_come_first() {
        let all = [(); 4].map(|()| Secret::generate());
        let mut secrets = SigningSecrets::new(all[0].clone());
        for (hour, secret) in (0..).zip(&all[1..]) {
            secrets.rotate(&to(secret, None), at(hour)).unwrap();
        }
        let expected = [&all[3], &all[2], &all[1]].map(Clone::clone);
        assert_eq!(signing(&secrets, at(3)), expected);
        assert_eq!(secrets.overlap_ends_at(), Some(at(26)));
        assert_eq!(signing(&secrets, at(25)), expected[..2]);
    }

    #[test]
    fn no_overlap_leaves_only_the_new_secret() {
        let all = [(); 3].map(|()| Secret::generate());
        let mut secrets = SigningSecrets::new(all[0].clone());
        secrets.rotate(&to(&all[1], None), at(0)).unwrap();
        let at_once = to(&all[2], Some(Duration::ZERO));
        secrets.rotate(&at_once, at(1)).unwrap();
        assert_eq!(secrets, SigningSecrets::new(all[2].clone()));
    }

    #[test]
    fn the_present_secret_only_ends_the_overlap_earlier() {
        let [first, second] = [(); 2].map(|()| Secret::generate());
        let mut secrets = SigningSecrets::new(first);
        secrets.rotate(&to(&second, None), at(0)).unwrap();
        for (overlap, end) in [(None, 24), (Some(48), 24), (Some(2), 3)] {
            let overlap = overlap.map(|hours| HOUR * hours);
            secrets.rotate(&to(&second, overlap), at(1)).unwrap();
            assert_eq!(secrets.overlap_ends_at(), Some(at(end)));
        }
        let before = secrets.clone();
        let now = to(&second, Some(Duration::ZERO));
        secrets.rotate(&now, at(1)).unwrap();
        assert_eq!(secrets, SigningSecrets::new(second.clone()));
        secrets = before;
        let end = SecretRotation::end_of_overlap();
        secrets.rotate(&end, at(1)).unwrap();
        assert_eq!(secrets, SigningSecrets::new(second));
    }

    #[test]
    fn a_random_secret_has_the_type_that_is_asked_for_or_the_present_one() {
        let mut secrets = SigningSecrets::new(Secret::generate());
        let random = SecretRotation::random(HOUR);
        let pair = SecretRotation {
            secret_type: Some(SecretType::Ed25519),
            ..random.clone()
        };
        secrets.rotate(&pair, at(0)).unwrap();
        assert_eq!(secrets.present().secret_type(), SecretType::Ed25519);
        secrets.rotate(&random, at(0)).unwrap();
        assert_eq!(secrets.present().secret_type(), SecretType::Ed25519);
        assert_eq!(secrets.old().len(), 2);
    }

    #[test]
    fn replacing_drops_the_old_ones_and_the_present_one_changes_nothing() {
        let [first, second] = [(); 2].map(|()| Secret::generate_of(SecretType::Ed25519));
        let mut secrets = SigningSecrets::new(first.clone());
        secrets.rotate(&to(&second, None), at(0)).unwrap();
        let before = secrets.clone();
        for text in [second.shown(), second.reveal().into()] {
            let given = GivenSecret::parse(&text).unwrap();
            assert_eq!(secrets.replace(&given), Ok(()));
            assert_eq!(secrets, before);
        }
        let old = GivenSecret::parse(&first.shown()).unwrap();
        assert_eq!(secrets.replace(&old), Err(OtherPublicKey));
        let rotation = SecretRotation {
            secret: Some(old),
            ..SecretRotation::random(HOUR)
        };
        assert_eq!(secrets.rotate(&rotation, at(0)), Err(OtherPublicKey));
        assert_eq!(secrets, before);
        assert_eq!(secrets.replace(&GivenSecret::Secret(first.clone())), Ok(()));
        assert_eq!(secrets, SigningSecrets::new(first));
    }

    proptest! {
        /// Whatever is rotated when: the present secret signs first, each secret once, few of them, and none that
        /// was replaced longer ago than the longest overlap.
        #[test]
        fn any_sequence_of_rotations_keeps_the_limits(
            steps in prop::collection::vec((0..5_usize, prop::option::of(0..50_u32), 0..20_u32), 1..20)
        ) {
            let all = [(); 5].map(|()| Secret::generate());
            let mut secrets = SigningSecrets::new(all[0].clone());
            let mut now = 0;
            for (secret, overlap, wait) in steps {
                now += wait;
                let rotation = to(&all[secret], overlap.map(|hours| HOUR * hours));
                secrets.rotate(&rotation, at(now)).unwrap();
                let signing = signing(&secrets, at(now));
                prop_assert_eq!(&signing[0], &all[secret]);
                prop_assert!(signing.len() <= 1 + OLD_SECRETS_MAX);
                prop_assert_eq!(signing.len(), 1 + secrets.old().len());
                for (index, secret) in signing.iter().enumerate() {
                    prop_assert!(!signing[..index].contains(secret));
                }
                prop_assert!(secrets.overlap_ends_at() <= Some(at(now + 50)));
                if overlap == Some(0) {
                    prop_assert_eq!(signing.len(), 1);
                }
            }
        }
    }
}
