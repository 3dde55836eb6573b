//! The fields of a rotation of an endpoint's secret.

use std::time::Duration;

use uuid::Uuid;

use super::endpoint_fields::secret_and_type;
use crate::domain::signing_secrets::SecretRotation;
use crate::server::validate::{Checked, Input, read};

/// Reads a rotation: the endpoint's id, and what the caller wants otherwise than by default.
pub(crate) fn secret_rotation(
    input: &mut Input<'_>,
    default_overlap: Duration,
) -> impl FnOnce(&Checked) -> (Uuid, SecretRotation) + use<> {
    let id = input.path(read::id);
    let overlap = input.optional("overlap", read::overlap);
    let (secret, secret_type) = secret_and_type(input, read::given_secret);
    move |ok| {
        let rotation = SecretRotation {
            secret: secret.take(ok),
            secret_type: secret_type.take(ok),
            overlap: overlap.take(ok),
            default_overlap,
        };
        (id.take(ok), rotation)
    }
}
