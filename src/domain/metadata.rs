//! Metadata of an endpoint: texts that a program keeps with it. They are never sent to a receiver.

use std::collections::BTreeMap;

/// The most entries.
pub const METADATA_MAX: usize = 20;
/// The longest name of an entry, in characters.
pub const METADATA_NAME_MAX: usize = 64;
/// The longest value, in characters.
pub const METADATA_VALUE_MAX: usize = 512;

/// The metadata: a text for each name.
pub type Metadata = BTreeMap<String, String>;
