//! `hookpost openapi`: prints the OpenAPI document of the API.

use clap::Args;

use super::output;
use crate::api;

/// Print the OpenAPI document of the API, as a server has it at /api/openapi.json.
#[derive(Args, Debug)]
pub(super) struct OpenApi {}

impl OpenApi {
    #[expect(clippy::unused_self, reason = "subcommands are alike")]
    pub(super) fn run(self) -> anyhow::Result<()> {
        output::listing(api::document())
    }
}
