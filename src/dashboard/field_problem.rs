//! The problem of a field of a form, beside it and linked to it.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;

use super::form::FormProblems;
use super::view::Escaped;

/// The problem of a field in words; nothing if it has none.
pub(super) struct FieldProblem<'a> {
    text: &'a str,
    field: &'a str,
}

impl<'a> FieldProblem<'a> {
    pub(super) fn new(problems: &'a FormProblems, field: &'a str) -> Self {
        let text = problems.of_field(field);
        Self { text, field }
    }
}

impl HtmlSafe for FieldProblem<'_> {}

impl Display for FieldProblem<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            return Ok(());
        }
        let (field, text) = (Escaped(self.field), Escaped(self.text));
        write!(f, "<p class=\"problem\" id=\"{field}-problem\">{text}</p>")
    }
}

/// The attributes with which an input names its hint (`FIELD-hint`) and its problem.
pub(super) struct Described<'a> {
    has_problem: bool,
    field: &'a str,
}

impl<'a> Described<'a> {
    pub(super) fn new(problems: &FormProblems, field: &'a str) -> Self {
        let has_problem = !problems.of_field(field).is_empty();
        Self { has_problem, field }
    }
}

impl HtmlSafe for Described<'_> {}

impl Display for Described<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let field = Escaped(self.field);
        if self.has_problem {
            write!(
                f,
                "aria-invalid=\"true\" aria-describedby=\"{field}-problem {field}-hint\""
            )
        } else {
            write!(f, "aria-describedby=\"{field}-hint\"")
        }
    }
}
