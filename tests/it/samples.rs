//! The programs of the guides, run as they are printed there, in every language that this machine has.
//!
//! A language that is missing is named in the output. With `HOOKPOST_SAMPLES=all` it is a failure, and
//! the slow cases run, too.

mod gate;
mod guide;
mod language;
mod publishes;
mod receives;

/// Makes the tests of each language.
macro_rules! languages {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn publishes() {
                super::publishes::check(&super::language::$name());
            }

            #[test]
            fn receives() {
                super::receives::check(&super::language::$name());
            }
        }
    )*};
}

languages!(python javascript go php ruby java rust csharp);

/// Returns whether all languages must be there, and the slow cases run.
fn all() -> bool {
    std::env::var("HOOKPOST_SAMPLES").is_ok_and(|value| value == "all")
}

#[test]
fn the_guides_show_the_examples_in_rust() {
    let publisher = include_str!("../../examples/publisher.rs");
    let receiver = include_str!("../../examples/receiver.rs");
    let rust = language::rust();
    assert_eq!(
        guide::program(guide::PUBLISHING, &rust),
        guide::without_lints(publisher)
    );
    assert_eq!(
        guide::program(guide::RECEIVING, &rust),
        guide::without_lints(receiver)
    );
}
