//! Authentication: finds the caller of a request by its bearer token.
//!
//! The server looks a token up in the store by its hash and caches the result for half a second. So a
//! busy producer costs four reads a second, while a token that another process revoked (a subcommand, say)
//! still ends within a second. A change through this API makes the whole cache stale at once. Expiry is
//! checked at every use.
//!
//! Only tokens that exist are cached: unknown tokens cannot fill the cache, and a new token works at once.
//! So each request with an unknown token costs a read, in the [lane](super::readers) for unauthenticated
//! callers; a malformed token costs none. The time of a look-up leaks nothing: only hashes are compared, and
//! a caller cannot choose a hash.
//!
//! A token may end while the body of its request still arrives. Before the server acts on such a body, it
//! authenticates the caller again (`Auth::reauthenticate`).
//!
//! The times for `last_used_at` are collected in memory and stored about once a minute: a crash loses those
//! of the last minute.

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

/// The time for which a cached result is used: half of the second within which a revocation must take effect.
const CACHED_FOR: Duration = Duration::from_millis(500);

/// The age from which on one request at a time reads the token again, while the others still use the
/// cached result. So a busy token never has all its requests wait at once.
const REFRESHED_FROM: Duration = Duration::from_millis(250);

/// The most tokens in the cache: about 2 MB.
const CACHE_MAX: usize = 10_000;

/// The cache of callers, and the times at which their tokens were used last.
#[derive(Default)]
pub(crate) struct Auth {
    cache: RwLock<HashMap<TokenHash, Cached>>,
    /// The number of changes of tokens. A result that was read before a change is stale, even if it
    /// enters the cache after the change.
    generation: AtomicU64,
    /// The last use of each token, by its id. Emptied when it is stored.
    used: Mutex<HashMap<Uuid, Timestamp>>,
}

/// The moment at which a look-up began. It is taken before the read, so that a change during the read
/// makes the result stale.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    generation: u64,
}

struct Cached {
    caller: Caller,
    asked: Asked,
    /// True while a request reads the token again.
    refreshing: Arc<AtomicBool>,
}

/// The duty of one request to read a cached token again. Dropping this hands the duty to the next request: the
/// read may have failed, or its client may have hung up.
struct Refresh(Arc<AtomicBool>);

impl Refresh {
    /// Takes the duty; `None` if another request has it.
    fn begin(refreshing: &Arc<AtomicBool>) -> Option<Self> {
        let is_first = !refreshing.swap(true, Ordering::Relaxed);
        is_first.then(|| Self(Arc::clone(refreshing)))
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A caller, with all that is needed to check later whether its token is still valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticated {
    /// The caller.
    pub(crate) caller: Caller,
    hash: TokenHash,
    asked: Asked,
}

/// The result of a look in the cache.
enum CacheResult {
    /// The token is this caller's.
    Caller(Caller),
    /// The token was valid a moment ago; read it again. There is no [`Refresh`] if the result is too old for
    /// any request.
    Stale(Option<Refresh>),
    /// The token is not in the cache.
    Unknown,
}

/// The content of an `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
enum Bearer {
    /// No bearer token.
    None,
    /// A token of a form that this server never makes.
    Malformed,
    /// A token that this server may have made.
    Token(TokenHash),
}

impl Auth {
    /// Returns the caller that sent these headers; `None` without a bearer token.
    ///
    /// # Errors
    /// [`ApiError::InvalidToken`], or the store's.
    pub(crate) async fn caller(
        &self,
        headers: &HeaderMap,
        store: &Arc<dyn Store>,
        readers: &Readers,
        now: Timestamp,
    ) -> Result<Option<Authenticated>, ApiError> {
        match bearer(headers) {
            Bearer::None => Ok(None),
            Bearer::Malformed => Err(ApiError::InvalidToken),
            Bearer::Token(hash) => {
                let at = Instant::now();
                let found = self.look_up(hash, store, readers, now, at).await?;
                Ok(Some(found))
            }
        }
    }

    /// Returns the caller whose token has this hash: that of a session.
    ///
    /// # Errors
    /// [`ApiError::InvalidToken`], or the store's.
    pub(crate) async fn caller_of(
        &self,
        hash: TokenHash,
        store: &Arc<dyn Store>,
        readers: &Readers,
        now: Timestamp,
    ) -> Result<Authenticated, ApiError> {
        self.look_up(hash, store, readers, now, Instant::now())
            .await
    }

    /// Reports whether `known` must be authenticated again at `now`.
    pub(crate) fn is_outdated(&self, known: &Authenticated, now: Timestamp) -> bool {
        self.is_old(known.asked, Instant::now()) || known.caller.has_ended(now)
    }

    /// Authenticates `known` again, since its token may have ended or its scopes may have changed.
    ///
    /// # Errors
    /// [`ApiError::InvalidToken`], or the store's.
    pub(crate) async fn reauthenticate(
        &self,
        known: &Authenticated,
        store: &Arc<dyn Store>,
        readers: &Readers,
        now: Timestamp,
    ) -> Result<Authenticated, ApiError> {
        let at = Instant::now();
        self.look_up(known.hash, store, readers, now, at).await
    }

    /// Looks a token up at `now`, which is `at` on the monotonic clock.
    async fn look_up(
        &self,
        hash: TokenHash,
        store: &Arc<dyn Store>,
        readers: &Readers,
        now: Timestamp,
        at: Instant,
    ) -> Result<Authenticated, ApiError> {
        let asked = Asked {
            at,
            generation: self.generation.load(Ordering::SeqCst),
        };
        let caller = match self.remembered(&hash, at) {
            CacheResult::Caller(caller) => caller,
            // Holds the duty until the new result is in the cache.
            CacheResult::Stale(_refresh) => {
                self.ask(hash, store, readers, Lane::Known, asked).await?
            }
            CacheResult::Unknown => {
                self.ask(hash, store, readers, Lane::Unauthenticated, asked)
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

    /// Makes all results stale, after a token or a workspace changed. The tokens stay in the cache, so that
    /// their next look-up does not wait in the lane of unauthenticated callers.
    pub(crate) fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Stores the times at which tokens were used last. Returns `None` if no token was used since the last
    /// call.
    pub(crate) fn flush(&self, store: &dyn Store) -> Option<Pending<()>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = std::mem::take(&mut *used);
        (!used.is_empty()).then(|| store.touch_tokens(used.into_iter().collect()))
    }

    fn remembered(&self, hash: &TokenHash, at: Instant) -> CacheResult {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let Some(cached) = cache.get(hash) else {
            return CacheResult::Unknown;
        };
        if self.is_old(cached.asked, at) {
            return CacheResult::Stale(None);
        }
        let is_due = at.saturating_duration_since(cached.asked.at) >= REFRESHED_FROM;
        match is_due.then(|| Refresh::begin(&cached.refreshing)).flatten() {
            Some(refresh) => CacheResult::Stale(Some(refresh)),
            None => CacheResult::Caller(cached.caller),
        }
    }

    /// Reports whether the result of a look-up that began at `asked` is stale at `at`.
    fn is_old(&self, asked: Asked, at: Instant) -> bool {
        asked.generation != self.generation.load(Ordering::SeqCst)
            || at.saturating_duration_since(asked.at) >= CACHED_FOR
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
                self.invalidate(); // Another process ended it: authenticate requests under way again.
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
            refreshing: Arc::default(),
        };
        cache.insert(hash, cached);
        Ok(caller)
    }
}

/// Reads `Authorization: Bearer TOKEN` (RFC 6750, section 2.1; the scheme in any case).
fn bearer(headers: &HeaderMap) -> Bearer {
    let mut values = headers.get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Bearer::None; // Of two headers, neither is more valid than the other.
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
mod tests;
