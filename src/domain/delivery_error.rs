//! What can go wrong (placeholder).
/// Error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryError {
    /// dns
    Dns,
    /// refused
    AddressRefused,
    /// connect
    Connect,
    /// tls
    Tls,
    /// timeout
    Timeout,
    /// protocol
    Protocol,
    /// expired
    Expired,
    /// internal
    Internal,
}
impl DeliveryError {
    /// For storage.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }
    /// From storage.
    #[must_use]
    pub fn from_code(_code: i64) -> Option<Self> {
        Some(Self::Internal)
    }
    /// Wire name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        "internal"
    }
}
