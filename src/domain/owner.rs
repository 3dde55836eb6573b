//! The owner of what requests use.

use uuid::Uuid;

/// A workspace or an admin token, for which the server counts what requests use: turns, memory and rate
/// limits. A request counts for the workspace of its token, whichever of the workspace's tokens that is. An
/// admin token, which only the operator makes, counts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Uuid);

impl Owner {
    /// Returns the owner with this id of a workspace or of an admin token.
    #[must_use]
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Returns the id.
    #[must_use]
    pub const fn id(self) -> Uuid {
        self.0
    }
}
