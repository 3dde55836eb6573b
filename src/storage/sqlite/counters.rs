//! stub
#[derive(Default)]
pub(super) struct Counters;
impl Counters {
    pub(super) fn delivery(&mut self, _: i64, _: i64, _: i64, _: Option<u16>) {}
    pub(super) fn event(&mut self, _: i64, _: i64, _: i64, _: i64, _: i64) {}
    pub(super) fn event_moved(&mut self, _: i64, _: i64, _: i64, _: i64, _: i64) {}
    pub(super) fn flush(&mut self, _: &rusqlite::Connection) -> rusqlite::Result<()> {
        Ok(())
    }
    pub(super) fn clear(&mut self) {}
}
