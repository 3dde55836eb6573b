//! Sessions: who is signed in with which browser.
//!
//! A session lives in the memory of the server, so a restart ends all of them. It has the hash of the token that
//! signed in, never the token; each request looks that hash up again, so revoking the token ends its sessions
//! within a second. The browser has 32 random bytes in a cookie; the server has their hash.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::view::Copy;
use crate::domain::access::TokenHash;

/// The time without a request after which a session ends: a working day.
pub(super) const IDLE_MAX: Duration = Duration::from_hours(10);

/// The time after which a session ends, however it is used: a week.
pub(super) const AGE_MAX: Duration = Duration::from_hours(7 * 24);

/// The most sessions of one token: those of a team that shares it. The one that was idle longest ends.
const OF_ONE_MAX: usize = 50;

/// The most sessions: about four megabytes. The one that was idle longest ends.
const ALL_MAX: usize = 10_000;

/// The longest notice, in bytes.
const NOTICE_MAX: usize = 500;

/// Whom a session acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Principal {
    /// The holder of a token.
    Token(TokenHash),
    /// The operator, who signed in with a code that the server printed in its terminal.
    Operator,
}

/// The key of a session: the hash of what its cookie holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionKey([u8; 32]);

impl SessionKey {
    /// Returns the key for the value of a cookie.
    pub(super) fn of(cookie: &str) -> Self {
        Self(Sha256::digest(cookie).into())
    }
}

/// A notice that the next page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Its text.
    pub(super) text: String,
    /// A secret to copy, which is shown only once; empty: none.
    pub(super) secret: String,
    /// Set if something did not work.
    pub(super) is_error: bool,
}

impl Notice {
    /// Returns the button that copies the secret.
    pub(super) fn copy(&self) -> Copy<'_> {
        Copy::new(&self.secret, "the secret")
    }
}

/// A session, as a request sees it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) principal: Principal,
    /// The token that each of its forms carries.
    pub(super) form_token: String,
    /// The workspace to which an admin has limited the lists.
    pub(super) workspace: Option<Uuid>,
}

struct Entry {
    session: Session,
    notice: Option<Notice>,
    began: Duration,
    used: Duration,
}

impl Entry {
    fn has_ended(&self, now: Duration) -> bool {
        now.saturating_sub(self.used) >= IDLE_MAX || now.saturating_sub(self.began) >= AGE_MAX
    }
}

/// All sessions. Times are those of the monotonic clock.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionKey, Entry>>);

impl Sessions {
    /// Begins a session. Returns the value of its cookie.
    pub(super) fn begin(&self, principal: Principal, now: Duration) -> String {
        let cookie = random_text();
        let mut sessions = self.lock();
        sessions.retain(|_, entry| !entry.has_ended(now));
        let is_own = |entry: &Entry| entry.session.principal == principal;
        if sessions.values().filter(|entry| is_own(entry)).count() >= OF_ONE_MAX {
            end_idlest(&mut sessions, is_own);
        } else if sessions.len() >= ALL_MAX {
            end_idlest(&mut sessions, |_| true);
        }
        let session = Session {
            principal,
            form_token: random_text(),
            workspace: None,
        };
        let entry = Entry {
            session,
            notice: None,
            began: now,
            used: now,
        };
        sessions.insert(SessionKey::of(&cookie), entry);
        cookie
    }

    /// Returns a session. Notes that it is used if `by_person`, and not the script of an open page, asks.
    pub(super) fn find(&self, key: SessionKey, now: Duration, by_person: bool) -> Option<Session> {
        let mut sessions = self.lock();
        let entry = sessions.get_mut(&key)?;
        if entry.has_ended(now) {
            sessions.remove(&key);
            return None;
        }
        if by_person {
            entry.used = now;
        }
        Some(entry.session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, key: SessionKey) {
        self.lock().remove(&key);
    }

    /// Limits the lists of a session to a workspace, or to none.
    pub(super) fn choose_workspace(&self, key: SessionKey, workspace: Option<Uuid>) {
        if let Some(entry) = self.lock().get_mut(&key) {
            entry.session.workspace = workspace;
        }
    }

    /// Keeps a notice for the next page of a session.
    pub(super) fn notify(&self, key: SessionKey, mut notice: Notice) {
        if notice.text.len() > NOTICE_MAX {
            let end = notice.text.floor_char_boundary(NOTICE_MAX);
            notice.text.truncate(end);
        }
        if let Some(entry) = self.lock().get_mut(&key) {
            entry.notice = Some(notice);
        }
    }

    /// Takes the notice for the page of a session.
    pub(super) fn take_notice(&self, key: SessionKey) -> Option<Notice> {
        self.lock().get_mut(&key)?.notice.take()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_idlest(sessions: &mut HashMap<SessionKey, Entry>, counts: impl Fn(&Entry) -> bool) {
    let candidates = sessions.iter().filter(|(_, entry)| counts(entry));
    let idlest = candidates
        .min_by_key(|(_, entry)| entry.used)
        .map(|(key, _)| *key);
    if let Some(key) = idlest {
        sessions.remove(&key);
    }
}

/// Returns 256 random bits as text.
pub(super) fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn token(n: u8) -> Principal {
        Principal::Token(TokenHash([n; 32]))
    }

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let sessions = Sessions::default();
        let key = SessionKey::of(&sessions.begin(token(1), HOUR));
        assert!(sessions.find(key, HOUR + IDLE_MAX * 9 / 10, true).is_some());
        assert!(
            sessions
                .find(key, HOUR + IDLE_MAX * 18 / 10, true)
                .is_some()
        );
        assert!(
            sessions
                .find(key, HOUR + IDLE_MAX * 28 / 10, true)
                .is_none()
        );

        let key = SessionKey::of(&sessions.begin(token(1), HOUR));
        let mut now = HOUR;
        while now < AGE_MAX {
            assert!(sessions.find(key, now, true).is_some());
            now += HOUR;
        }
        assert!(sessions.find(key, HOUR + AGE_MAX, true).is_none());
    }

    #[test]
    fn an_open_page_does_not_keep_a_session() {
        let sessions = Sessions::default();
        let key = SessionKey::of(&sessions.begin(token(1), HOUR));
        let later = HOUR + IDLE_MAX / 2;
        assert!(sessions.find(key, later, false).is_some());
        assert!(sessions.find(key, HOUR + IDLE_MAX, false).is_none());
    }

    #[test]
    fn a_token_that_signs_in_again_and_again_ends_its_own_sessions_only() {
        let sessions = Sessions::default();
        let other = SessionKey::of(&sessions.begin(token(1), HOUR));
        let first = SessionKey::of(&sessions.begin(token(2), HOUR));
        for second in 0..OF_ONE_MAX {
            sessions.begin(token(2), HOUR + Duration::from_secs(second as u64 + 1));
        }
        let now = 2 * HOUR;
        assert!(sessions.find(first, now, true).is_none());
        assert!(sessions.find(other, now, true).is_some());
        assert_eq!(sessions.lock().len(), OF_ONE_MAX + 1);
    }

    #[test]
    fn a_notice_is_shown_once() {
        let sessions = Sessions::default();
        let key = SessionKey::of(&sessions.begin(token(1), HOUR));
        let text = "é".repeat(NOTICE_MAX);
        sessions.notify(
            key,
            Notice {
                text,
                secret: String::new(),
                is_error: false,
            },
        );
        assert_eq!(sessions.take_notice(key).unwrap().text.len(), NOTICE_MAX);
        assert_eq!(sessions.take_notice(key), None);
    }
}
