//! Who calls.
//!
//! A token is looked up by its hash, and the answer is kept for half a second, so that a busy
//! producer costs two reads a second, while a token that was revoked elsewhere (by another process,
//! on the command line) still ends within one. What is changed through this API empties the cache
//! at once. Expiry is checked at every use.
//!
//! `last_used_at` is collected in memory and written about once a minute: a crash loses a minute
//! of it, which nobody will miss.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::web;
use uuid::Uuid;

use super::error::ApiError;
use crate::domain::access::{Caller, Token, TokenHash};
use crate::domain::clock::Timestamp;
use crate::storage::{Pending, Store, StoreError};

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
    /// Goes up when the cache is emptied, so that an answer read before that is not put in after.
    generation: AtomicU64,
    used: Mutex<HashMap<Uuid, Timestamp>>,
}

struct Cached {
    caller: Caller,
    asked_at: Instant,
    refreshing: AtomicBool,
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
    pub(crate) async fn caller(
        &self,
        headers: &HeaderMap,
        store: &Arc<dyn Store>,
        now: Timestamp,
    ) -> Result<Option<Caller>, ApiError> {
        let hash = match bearer(headers) {
            Bearer::None => return Ok(None),
            Bearer::Malformed => return Err(ApiError::InvalidToken),
            Bearer::Token(hash) => hash,
        };
        let caller = match self.cached(&hash) {
            Some(caller) => caller,
            None => self.ask(hash, store).await?,
        };
        if caller.expires_at.is_some_and(|end| end <= now) {
            return Err(ApiError::InvalidToken);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(caller.token_id, now);
        Ok(Some(caller))
    }

    /// Forgets every caller: a token or a workspace changed.
    pub(crate) fn forget(&self) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
        cache.clear();
    }

    /// Writes down when tokens were used; `None` if none was.
    pub(crate) fn flush(&self, store: &dyn Store) -> Option<Pending<()>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = std::mem::take(&mut *used);
        (!used.is_empty()).then(|| store.touch_tokens(used.into_iter().collect()))
    }

    fn cached(&self, hash: &TokenHash) -> Option<Caller> {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.get(hash)?;
        let age = cached.asked_at.elapsed();
        if age >= CACHED_FOR
            || (age >= REFRESHED_FROM && !cached.refreshing.swap(true, Ordering::Relaxed))
        {
            return None;
        }
        Some(cached.caller)
    }

    async fn ask(&self, hash: TokenHash, store: &Arc<dyn Store>) -> Result<Caller, ApiError> {
        let generation = self.generation.load(Ordering::SeqCst);
        let asked_at = Instant::now();
        let store = Arc::clone(store);
        let found = web::block(move || store.find_caller(&hash))
            .await
            .map_err(|error| StoreError::Internal(error.to_string()))??;
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        let Some(caller) = found else {
            cache.remove(&hash);
            return Err(ApiError::InvalidToken);
        };
        if self.generation.load(Ordering::SeqCst) == generation {
            if cache.len() >= CACHE_MAX {
                cache.retain(|_, cached| cached.asked_at.elapsed() < CACHED_FOR);
            }
            if cache.len() >= CACHE_MAX {
                cache.clear();
            }
            let refreshing = AtomicBool::new(false);
            let cached = Cached {
                caller,
                asked_at,
                refreshing,
            };
            cache.insert(hash, cached);
        }
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
