//! Which addresses a webhook may be sent to (placeholder until it lands).
use ipnet::IpNet;
/// Policy.
#[derive(Clone, Debug, Default)]
pub struct NetworkPolicy {
    /// http allowed
    pub allow_http: bool,
    /// opened networks
    pub allow: Vec<IpNet>,
}
