//! The comparison of the fields that a request reads with those that its route describes.
//!
//! Only builds with debug assertions compare, and so do all tests. A field that is read without a description,
//! or described without being read, ends the request with a panic.

use super::context::FieldDocs;
use super::loc::Section;

type Name = (Section, &'static str);

/// The fields that are described, and those that were read. By default nothing is compared.
#[derive(Debug, Default)]
pub(super) struct Audit(Option<(Vec<Name>, Vec<Name>)>);

impl Audit {
    /// Returns the comparison with these fields; nothing is compared if there is no description.
    pub(super) fn new(described: Option<&[FieldDocs]>) -> Self {
        let names = |fields: &[FieldDocs]| fields.iter().map(|it| (it.section, it.name)).collect();
        Self(described.map(|fields| (names(fields), Vec::new())))
    }

    /// Notes that a field is read.
    pub(super) fn reads(&mut self, section: Section, name: &'static str) {
        if let Some((_, read)) = &mut self.0 {
            read.push((section, name));
        }
    }

    /// Compares, when all fields are read.
    pub(super) fn finish(&self) {
        if let Some((described, read)) = &self.0 {
            assert_eq!(
                read, described,
                "the fields that are read, and those that the route describes"
            );
        }
    }
}
