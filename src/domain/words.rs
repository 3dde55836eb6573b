//! The closed lists of words that the API shows.

/// Defines an enum and the word of each variant. The variants and the words are written once, so `ALL` is
/// complete, and everything that is made from it: readers, database, documents.
macro_rules! words {
    (
        $(#[$about:meta])+
        $visibility:vis enum $name:ident {
            $(
                $(#[$text:meta])*
                $variant:ident = $word:literal,
            )+
        }
    ) => {
        $(#[$about])+
        $visibility enum $name {
            $(
                $(#[$text])*
                $variant,
            )+
        }

        impl $name {
            /// Every variant, in the order of the definition.
            $visibility const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Returns the word on the wire.
            #[must_use]
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Returns the variant with this word.
            #[must_use]
            #[allow(dead_code, reason = "some lists are only written")]
            $visibility fn parse(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.as_str() == word)
            }
        }
    };
}
pub(crate) use words;
