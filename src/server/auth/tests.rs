//! Tests of the bearer token of a request, and of the cache of callers.

use std::future::Future;
use std::task::{Context, Waker};

use actix_web::http::header::HeaderValue;

use super::*;
use crate::domain::access::{Actor, Scopes, TokenKind};
use crate::domain::clock::SystemClock;
use crate::storage::NewAccessToken;
use crate::storage::sqlite::{SqliteSettings, SqliteStore};

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

/// A token in the cache, and the store that it is in.
struct AuthFixture {
    auth: Auth,
    hash: TokenHash,
    began: Instant,
    sqlite: Arc<SqliteStore>,
    store: Arc<dyn Store>,
    readers: Readers,
    _folder: tempfile::TempDir,
}

impl AuthFixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let clock = Arc::new(SystemClock::new());
        let sqlite = SqliteStore::open(&file, SqliteSettings::default(), clock).unwrap();
        let token = Token::generate(TokenKind::Admin);
        let new = NewAccessToken {
            hash: token.hash(),
            workspace_id: None,
            comment: String::new(),
            scopes: Scopes::all(),
            expires_in: None,
        };
        sqlite.create_token(Actor::Operator, new).await.unwrap();
        let fixture = Self {
            auth: Auth::default(),
            hash: token.hash(),
            began: Instant::now(),
            store: sqlite.clone(),
            sqlite,
            readers: Readers::new(),
            _folder: folder,
        };
        fixture.look_up(Duration::ZERO).await.unwrap();
        fixture
    }

    /// Looks the token up so long after the first time.
    async fn look_up(&self, after: Duration) -> Result<Authenticated, ApiError> {
        let (now, at) = (Timestamp::from_micros(0), self.began + after);
        let (store, readers) = (&self.store, &self.readers);
        self.auth.look_up(self.hash, store, readers, now, at).await
    }

    /// Begins a look-up, and returns it if it reads the store, all of whose connections are in use.
    fn reads(&self, after: Duration) -> Option<impl Future<Output = ()>> {
        let mut look_up = Box::pin(async move { self.look_up(after).await.map(|_| ()).unwrap() });
        let polled = look_up
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        polled.is_pending().then_some(look_up)
    }
}

impl Drop for AuthFixture {
    fn drop(&mut self) {
        self.sqlite.stop();
    }
}

#[test]
fn one_request_at_a_time_reads_a_cached_token_again() {
    actix_web::rt::System::new().block_on(async {
        let fixture = AuthFixture::new().await;
        let later = REFRESHED_FROM + Duration::from_millis(1);
        // No read ends before it is seen.
        let connections = fixture.sqlite.take_all_readers();
        assert!(fixture.reads(Duration::from_millis(1)).is_none());
        let first = fixture.reads(later);
        assert!(first.is_some() && fixture.reads(later).is_none());
        // The client of the first hangs up, so the next request reads.
        drop(first);
        let second = fixture.reads(later).expect("nobody else reads");
        assert!(fixture.reads(later).is_none());
        drop(connections);
        second.await;
        assert!(fixture.reads(later).is_none(), "it is fresh");
    });
}
