//! The stores. Another one is added here, by its name and the function that opens an empty one.

use std::sync::Arc;

use super::{OpenStore, Settings};
use crate::domain::clock::Clock;
use crate::storage::sqlite::{SqliteSettings, SqliteStore};

/// Makes a test of each behaviour for each store.
macro_rules! stores {
    ($($store:ident: $open:path,)*) => {
        $(mod $store { behaviours!(test_each, $open); })*
    };
}

/// Makes a test of each behaviour of one file.
macro_rules! test_each {
    ($open:path, $file:ident, [$($behaviour:ident,)*]) => {
        mod $file {
            $(
                #[test]
                fn $behaviour() {
                    crate::storage::conformance::$file::$behaviour($open);
                }
            )*
        }
    };
}

stores! {
    sqlite: crate::storage::conformance::tests::open_sqlite,
    memory: crate::delivery::simulation::memory_store::open,
}

fn open_sqlite(settings: Settings, clock: Arc<dyn Clock>) -> OpenStore {
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteSettings {
        max_endpoints: settings.max_endpoints,
        disable_after: settings.disable_after,
        ..SqliteSettings::default()
    };
    let store = SqliteStore::open(&folder.path().join("test.db"), settings, clock).unwrap();
    OpenStore {
        store: store.clone(),
        queue: store,
        kept: Box::new(folder),
    }
}
