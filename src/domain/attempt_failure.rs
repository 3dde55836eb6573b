//! The causes of attempts that got no HTTP answer.
//!
//! Each cause has a short word, which is the `error` of a delivery in the API, and a small number in the
//! store. Words and numbers never change; new causes are added at the end.

use std::fmt;

/// The cause of an attempt that ended without a usable HTTP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptFailure {
    /// The receiver's name didn't resolve, or not in time.
    Dns,
    /// The network policy forbids the receiver's address.
    AddressRefused,
    /// There was no TCP connection: refused, unreachable, reset.
    Connect,
    /// The TLS handshake failed, most often over the certificate.
    Tls,
    /// The time for the attempt ran out before the whole answer had arrived.
    Timeout,
    /// The receiver did not send a whole HTTP answer: it is malformed, cut off, or empty.
    Protocol,
    /// The run of attempts took longer than allowed; no attempt was made.
    Expired,
    /// Hookpost itself is at fault, not the receiver.
    Internal,
}

impl AttemptFailure {
    /// Every cause, in the order of its code.
    pub const ALL: [Self; 8] = [
        Self::Dns,
        Self::AddressRefused,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Protocol,
        Self::Expired,
        Self::Internal,
    ];

    /// Returns the cause's word in the API, in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::AddressRefused => "address_refused",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Expired => "expired",
            Self::Internal => "internal",
        }
    }

    /// Returns the cause with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }

    /// Returns the cause's number in the store. It is never 0 and never used again for another cause.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Dns => 1,
            Self::AddressRefused => 2,
            Self::Connect => 3,
            Self::Tls => 4,
            Self::Timeout => 5,
            Self::Protocol => 6,
            Self::Expired => 7,
            Self::Internal => 8,
        }
    }

    /// Returns the cause with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::AttemptFailure;

    #[test]
    fn words_and_codes_are_stable() {
        let spelled: Vec<_> = AttemptFailure::ALL
            .iter()
            .map(|cause| (cause.code(), cause.as_str()))
            .collect();
        assert_eq!(
            spelled,
            [
                (1, "dns"),
                (2, "address_refused"),
                (3, "connect"),
                (4, "tls"),
                (5, "timeout"),
                (6, "protocol"),
                (7, "expired"),
                (8, "internal"),
            ]
        );
    }

    #[test]
    fn words_and_codes_lead_back() {
        for cause in AttemptFailure::ALL {
            assert_eq!(AttemptFailure::parse(cause.as_str()), Some(cause));
            assert_eq!(AttemptFailure::from_code(cause.code()), Some(cause));
        }
        assert_eq!(AttemptFailure::parse("DNS"), None);
        assert_eq!(AttemptFailure::from_code(0), None);
        assert_eq!(AttemptFailure::from_code(9), None);
    }
}
