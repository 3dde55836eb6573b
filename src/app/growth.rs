//! The line of a start that says how the database grows, and how long its room will do.

use std::sync::Arc;

use crate::domain::clock::Clock;
use crate::domain::growth::outlook_text::{days_left, future, size};
use crate::domain::growth::{Forecast, Room};
use crate::storage::sqlite::SqliteStore;

/// Logs the line, after one short read of the database. If the read fails, there is no line.
pub(super) fn log(store: &Arc<SqliteStore>, clock: &Arc<dyn Clock>) {
    let kept = store.kept_for();
    let (sizes, limit) = (store.file_sizes(), store.limit());
    let room = Room {
        disk_free_bytes: sizes.disk_free,
        limit_bytes: limit.map(|limit| limit.bytes),
    };
    let database_bytes = sizes.database;
    let has = format!("the database has {}", size(database_bytes));
    let Ok(sample) = store.sample_growth(clock.now()) else {
        return;
    };
    let Some(forecast) = sample.and_then(|sample| Forecast::new(sample, kept)) else {
        let disk_free_bytes = room.disk_free_bytes;
        tracing::info!(
            database_bytes,
            disk_free_bytes,
            "{has}; it is too early to say how it grows"
        );
        return;
    };
    let outlook = forecast.outlook(room);
    let words = format!(
        "{has}, and {} messages come in on a day (an estimate); {}",
        forecast.messages_per_day(),
        future(&forecast, outlook, room, kept)
    );
    // The macro takes the level of a line only as a constant.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                database_bytes,
                messages_per_day = forecast.messages_per_day(),
                bytes_per_message = forecast.bytes_per_message(),
                level_bytes = forecast.level_bytes(),
                disk_free_bytes = room.disk_free_bytes,
                days_left = days_left(outlook),
                "{words}"
            )
        };
    }
    if forecast.is_worrying(outlook) {
        line!(warn);
    } else {
        line!(info);
    }
}
