//! `hookpost erase`: erases the payload of a message over the API.

use anyhow::bail;
use clap::Args;
use uuid::Uuid;

use super::client::{ServerSettings, parse_id};
use super::configuration::Setting;
use super::{confirm, output};

/// Erase the payload of a message, for good.
///
/// Its data, the bodies of its events and the answers to their attempts are gone then; ids, types, times and states stay.
/// Pending events are skipped. Backups and receivers keep what they have.
#[derive(Args, Debug)]
pub(super) struct Erase {
    /// The id of the message.
    #[arg(value_name = "MESSAGE", value_parser = parse_id)]
    id: Uuid,

    /// Do not ask.
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    server: ServerSettings,
}

impl Erase {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let id = self.id;
        let question = format!("Nothing brings the payload of message {id} back. Erase it?");
        let unasked = "nothing brings an erased payload back; --yes erases it";
        if !self.yes && !confirm::is_confirmed(&question, unasked)? {
            bail!("nothing was erased");
        }
        let erased = client.delete(&format!("messages/{id}/payload"));
        erased.map_err(|error| error.about("message", id))?;
        output::remark(&format!("Erased the payload of message {id}."));
        Ok(())
    }
}
