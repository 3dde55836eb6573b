//! The reasons why an attempt got no HTTP answer.
//!
//! Each reason has a short word, which is the `error` of a delivery in the API, and a small number in the
//! database. Words and numbers never change; new reasons are added at the end.

use std::fmt;

use super::words::words;

words! {
    /// The reason why an attempt ended without a usable HTTP answer.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum AttemptFailure {
        /// The receiver's name did not resolve, or not in time.
        Dns = "dns",
        /// The network policy forbids the receiver's address.
        AddressRefused = "address_refused",
        /// There was no TCP connection: refused, unreachable, reset.
        Connect = "connect",
        /// The TLS handshake failed, most often over the certificate.
        Tls = "tls",
        /// The time for the attempt ran out before the whole answer had arrived.
        Timeout = "timeout",
        /// The receiver did not send a whole HTTP answer: the answer was malformed, cut off, or empty.
        Protocol = "protocol",
        /// The event's run took longer than allowed. This last record of the run stands for no request.
        Expired = "expired",
        /// Hookpost itself failed, not the receiver.
        Internal = "internal",
        /// The operator's egress proxy was not reached, or made no connection to the receiver.
        Proxy = "proxy",
    }
}

impl AttemptFailure {
    /// Returns the number in the database. It is never 0, and never used for another reason.
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
            Self::Proxy => 9,
        }
    }

    /// Reports whether the failure tells anything about the receiver. Neither the end of a run that waited does,
    /// nor a failure of the operator's own proxy, which would disable all endpoints at the same time.
    #[must_use]
    pub const fn tells_of_receiver(self) -> bool {
        !matches!(self, Self::Expired | Self::Proxy)
    }

    /// Returns the reason with this number.
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
                (9, "proxy"),
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
        assert_eq!(AttemptFailure::from_code(10), None);
    }
}
