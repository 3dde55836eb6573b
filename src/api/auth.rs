//! Who calls.
//!
//! A token is looked up by its hash, and the answer is kept for half a second, so that a busy
//! producer costs two reads a second, while a token that was revoked elsewhere (by another process,
//! on the command line) still ends within one. What is changed through this API makes the whole cache
//! stale at once. Expiry is checked at every use.
//!
//! Only tokens that exist are remembered: strangers cannot fill the cache, and a token that was just
//! made works at once. So each unknown one costs a read, in the [strangers' lane](super::readers), and
//! a malformed one none. What a look-up takes tells nothing: what is compared are hashes, which nobody
//! can steer.
//!
//! A request may outlive its token, as its body may take long to arrive. Before such a body is acted
//! upon the caller is looked at again (`Auth::again`).
//!
//! `last_used_at` is collected in memory and written about once a minute: a crash loses a minute
//! of it, which nobody will miss.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use uuid::Uuid;

use super::error::ApiError;
use super::readers::{Lane, Readers};
use crate::domain::access::{Caller, Token, TokenHash};
use crate::domain::clock::Timestamp;
use crate::storage::{Pending, Store};

/// How long an answer of the store is believed. Half of the second in which a revocation must act.
const CACHED_FOR: Duration = Duration::from_millis(500);

/// From this age on one request at a time asks again, while the others still go by the old answer:
/// a busy token never has all its requests wait at once.
const REFRESHED_FROM: Duration = Duration::from_millis(250);

/// The most tokens in the cache: about 2 MB.
const CACHE_MAX: usize = 10_000;

/// What is known of callers.
#[derive(Default)]
pub(crate) struct Auth {
    cache: RwLock<HashMap<TokenHash, Cached>>,
    /// Goes up when a token changes: what was read before is stale, also if it is put in after.
    generation: AtomicU64,
    used: Mutex<HashMap<Uuid, Timestamp>>,
}

/// When something was asked; noted before, so that what changes meanwhile is news.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    generation: u64,
}

struct Cached {
    caller: Caller,
    asked: Asked,
    refreshing: AtomicBool,
}

/// A caller, and what is needed to tell later whether it still is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authenticated {
    /// Who calls.
    pub(super) caller: Caller,
    hash: TokenHash,
    asked: Asked,
}

/// What the cache says of a token.
enum Memory {
    /// It is this caller's.
    Caller(Caller),
    /// It was good a moment ago.
    Stale,
    /// It was not seen for long, or never.
    Unknown,
}

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
enum Bearer {
    /// Nothing that is a bearer token.
    None,
    /// A token that this server can never have made.
    Malformed,
    /// A token that it may have made.
    Token(TokenHash),
}

impl Auth {
    /// Who sends these headers; `None` without a bearer token.
    ///
    /// # Errors
    /// [`ApiError::InvalidToken`], or the store's.
    pub(super) async fn caller(
        &self,
        headers: &HeaderMap,
        store: &Arc<dyn Store>,
        readers: &Readers,
        now: Timestamp,
    ) -> Result<Option<Authenticated>, ApiError> {
        match bearer(headers) {
            Bearer::None => Ok(None),
            Bearer::Malformed => Err(ApiError::InvalidToken),
            Bearer::Token(hash) => self.look_up(hash, store, readers, now).await.map(Some),
        }
    }

    /// Whether there may be more to know of a caller by `now`.
    pub(super) fn is_outdated(&self, known: &Authenticated, now: Timestamp) -> bool {
        self.is_old(known.asked) || known.caller.has_ended(now)
    }

    /// Who a caller is by now.
    ///
    /// # Errors
    /// [`ApiError::InvalidToken`], or the store's.
    pub(super) async fn again(
        &self,
        known: &Authenticated,
        store: &Arc<dyn Store>,
        readers: &Readers,
        now: Timestamp,
    ) -> Result<Authenticated, ApiError> {
        self.look_up(known.hash, store, readers, now).await
    }

    async fn look_up(
        &self,
        hash: TokenHash,
        store: &Arc<dyn Store>,
        readers: &Readers,
        now: Timestamp,
    ) -> Result<Authenticated, ApiError> {
        let asked = Asked {
            at: Instant::now(),
            generation: self.generation.load(Ordering::SeqCst),
        };
        let caller = match self.remembered(&hash) {
            Memory::Caller(caller) => caller,
            Memory::Stale => self.ask(hash, store, readers, Lane::Known, asked).await?,
            Memory::Unknown => {
                self.ask(hash, store, readers, Lane::Stranger, asked)
                    .await?
            }
        };
        if caller.has_ended(now) {
            return Err(ApiError::InvalidToken);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(caller.token_id, now);
        Ok(Authenticated {
            caller,
            hash,
            asked,
        })
    }

    /// Believes nothing that was read before: a token or a workspace changed. Who was known keeps that
    /// much, and need not queue with strangers for being looked up again.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Writes down when tokens were used; `None` if none was.
    pub(crate) fn flush(&self, store: &dyn Store) -> Option<Pending<()>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = std::mem::take(&mut *used);
        (!used.is_empty()).then(|| store.touch_tokens(used.into_iter().collect()))
    }

    fn remembered(&self, hash: &TokenHash) -> Memory {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let Some(cached) = cache.get(hash) else {
            return Memory::Unknown;
        };
        if self.is_old(cached.asked)
            || (cached.asked.at.elapsed() >= REFRESHED_FROM
                && !cached.refreshing.swap(true, Ordering::Relaxed))
        {
            return Memory::Stale;
        }
        Memory::Caller(cached.caller)
    }

    /// Whether an answer to what was asked then is believed no more.
    fn is_old(&self, asked: Asked) -> bool {
        asked.generation != self.generation.load(Ordering::SeqCst)
            || asked.at.elapsed() >= CACHED_FOR
    }

    async fn ask(
        &self,
        hash: TokenHash,
        store: &Arc<dyn Store>,
        readers: &Readers,
        lane: Lane,
        asked: Asked,
    ) -> Result<Caller, ApiError> {
        let find = move |store: &dyn Store| store.find_caller(&hash);
        let found = readers.read(lane, store, find).await?;
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        let Some(caller) = found else {
            if cache.remove(&hash).is_some() {
                self.forget(); // It ended elsewhere: who is under way is to be looked at again.
            }
            return Err(ApiError::InvalidToken);
        };
        if cache.len() >= CACHE_MAX {
            cache.retain(|_, cached| cached.asked.at.elapsed() < CACHED_FOR);
        }
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        let cached = Cached {
            caller,
            asked,
            refreshing: AtomicBool::new(false),
        };
        cache.insert(hash, cached);
        Ok(caller)
    }
}

/// Reads `Authorization: Bearer TOKEN` (RFC 6750, section 2.1; the scheme in any case).
fn bearer(headers: &HeaderMap) -> Bearer {
    let mut values = headers.get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Bearer::None; // With two of them nobody can say which one counts.
    };
    let value = value.as_bytes().trim_ascii();
    let Some((scheme, token)) = value.split_at_checked(6) else {
        return Bearer::None;
    };
    let parted = token.first().is_some_and(u8::is_ascii_whitespace);
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer") || !parted || token.is_empty() {
        return Bearer::None;
    }
    match std::str::from_utf8(token).ok().and_then(Token::parse) {
        Some(token) => Bearer::Token(token.hash()),
        None => Bearer::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;
    use crate::domain::access::TokenKind;

    fn read(values: &[&[u8]]) -> Bearer {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer(&headers)
    }

    #[test]
    fn bearer_tokens_are_told_from_other_credentials() {
        let token = Token::generate(TokenKind::Workspace);
        for scheme in ["Bearer ", "bearer ", "BEARER  ", "bEaReR\t"] {
            let value = format!("{scheme}{}", token.reveal());
            assert_eq!(read(&[value.as_bytes()]), Bearer::Token(token.hash()));
        }
        for none in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"Basic abc",
            b"Bear",
            b"Bearer\xe9",
            b"Token x",
        ] {
            assert_eq!(read(&[none]), Bearer::None, "{none:?}");
        }
        assert_eq!(read(&[]), Bearer::None);
        let glued = format!("Bearer{}", token.reveal());
        assert_eq!(read(&[glued.as_bytes()]), Bearer::None);
        let twice = format!("Bearer {}", token.reveal());
        assert_eq!(read(&[twice.as_bytes(), b"Basic x"]), Bearer::None);
        for bad in [
            &b"Bearer x"[..],
            b"Bearer \xff\xfe",
            b"Bearer a b",
            b"Bearer hookpost_wat_",
        ] {
            assert_eq!(read(&[bad]), Bearer::Malformed, "{bad:?}");
        }
        let more = format!("Bearer {} x", token.reveal());
        assert_eq!(read(&[more.as_bytes()]), Bearer::Malformed);
    }
}
