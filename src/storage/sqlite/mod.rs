//! SQLite behind the store.

mod counters;
mod lists;
