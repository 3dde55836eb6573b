//! The review of all families.

use super::*;
