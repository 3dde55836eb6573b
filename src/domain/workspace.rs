//! Workspaces, which are the tenants of a server.

use uuid::Uuid;

use super::clock::Timestamp;
use super::invisible::first_invisible;
use super::retention::{ArchiveAfter, DeleteAfter, WorkspaceRetention};

/// The longest name, in characters.
pub const NAME_MAX: usize = 64;

/// A tenant: owns endpoints, messages and access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique on the server.
    pub name: WorkspaceName,
    /// The time at which it was made.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub modified_at: Option<Timestamp>,
    /// The times that it keeps its data.
    pub retention: WorkspaceRetention,
    /// Set if it gets the operational events of its own endpoints.
    pub operational_events: bool,
}

/// A new workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWorkspace {
    /// Its name.
    pub name: WorkspaceName,
    /// The times that it keeps its data.
    pub retention: WorkspaceRetention,
    /// Set if it gets the operational events of its own endpoints.
    pub operational_events: bool,
}

impl NewWorkspace {
    /// Returns a workspace that keeps its data as long as the server, and gets no operational events.
    #[must_use]
    pub fn named(name: WorkspaceName) -> Self {
        Self {
            name,
            retention: WorkspaceRetention::default(),
            operational_events: false,
        }
    }
}

/// A caller's changes to a workspace; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspacePatch {
    /// The name.
    pub name: Option<WorkspaceName>,
    /// The time after which its payloads are dropped.
    pub archive_after: Option<ArchiveAfter>,
    /// The time after which its messages are deleted.
    pub delete_after: Option<DeleteAfter>,
    /// True if it is to get the operational events of its own endpoints.
    pub operational_events: Option<bool>,
}

impl WorkspacePatch {
    /// Returns the patch that renames.
    #[must_use]
    pub fn rename(name: WorkspaceName) -> Self {
        Self {
            name: Some(name),
            ..Self::default()
        }
    }

    /// Reports whether the patch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes `retention`.
    pub fn apply_to(&self, retention: &mut WorkspaceRetention) {
        if let Some(time) = self.archive_after {
            retention.archive_after = time;
        }
        if let Some(time) = self.delete_after {
            retention.delete_after = time;
        }
    }
}

/// A name of 1 to [`NAME_MAX`] characters. It is not a UUID, so that a command can take a name or an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceName(String);

/// The reason why a text cannot be the name of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// Only white space, or no character at all.
    Empty,
    /// Over [`NAME_MAX`] characters.
    TooLong,
    /// It reads as a UUID.
    LooksLikeId,
    /// It has this invisible character: two names that look the same must be the same.
    Invisible(char),
}

impl WorkspaceName {
    /// Reads a name; surrounding white space is dropped.
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        let text = text.trim();
        if text.is_empty() {
            Err(NameProblem::Empty)
        } else if text.chars().count() > NAME_MAX {
            Err(NameProblem::TooLong)
        } else if Uuid::try_parse(text).is_ok() {
            Err(NameProblem::LooksLikeId)
        } else if let Some(character) = first_invisible(text) {
            Err(NameProblem::Invisible(character))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Takes a stored text, which was parsed before.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_told_from_ids() {
        assert_eq!(WorkspaceName::parse(" a ").unwrap().as_str(), "a");
        assert_eq!(WorkspaceName::parse("  "), Err(NameProblem::Empty));
        assert!(WorkspaceName::parse(&"é".repeat(64)).is_ok());
        assert_eq!(
            WorkspaceName::parse(&"é".repeat(65)),
            Err(NameProblem::TooLong)
        );
        let id = Uuid::nil().simple().to_string();
        assert_eq!(WorkspaceName::parse(&id), Err(NameProblem::LooksLikeId));
        for invisible in ['\0', '\u{200b}', '\u{202e}'] {
            let problem = NameProblem::Invisible(invisible);
            for text in [format!("a{invisible}b"), format!("{invisible}a")] {
                assert_eq!(WorkspaceName::parse(&text), Err(problem));
            }
        }
    }
}
