//! The first content of a new database: a workspace, and a way to get a token.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::output;
use super::token_command::token_command;
use crate::domain::access::{Actor, Scopes, Token, TokenKind, Visibility};
use crate::domain::workspace::WorkspaceName;
use crate::storage::{
    EndedAdminToken, NewAccessToken, Page, ReconciledAdminToken, SettingsTokenState, Store,
    StoreError,
};

/// The variable that may hold an admin token. There is no flag for it, because other users of the machine can
/// read command lines.
pub(super) const ADMIN_TOKEN_VARIABLE: &str = "HOOKPOST_ADMIN_TOKEN";

/// The variable of the flag `--admin-token-file`.
const FILE_VARIABLE: &str = "HOOKPOST_ADMIN_TOKEN_FILE";

/// The name of the workspace for users who need only one.
pub(super) const DEFAULT_WORKSPACE: &str = "default";

/// The setting of an admin token that the operator chose: a file here, or the variable
/// [`ADMIN_TOKEN_VARIABLE`], but not both. The token is accepted as long as the setting has it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Access")]
pub(super) struct SeedSettings {
    /// A file with an admin token to accept, as `token create --admin` prints it.
    ///
    /// The token ends at the first start without it. The variable `HOOKPOST_ADMIN_TOKEN` can hold the token
    /// itself.
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

/// An admin token from the settings, and the name of its setting.
#[derive(Debug)]
pub(super) struct AdminToken {
    token: Token,
    source: String,
}

impl SeedSettings {
    /// Reads the admin token from its setting, if there is one. Errors never quote the token.
    pub(super) fn admin_token(&self) -> anyhow::Result<Option<AdminToken>> {
        let variable = std::env::var_os(ADMIN_TOKEN_VARIABLE).filter(|value| !value.is_empty());
        let (text, source) = match (variable, &self.admin_token_file) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                bail!(
                    "both {ADMIN_TOKEN_VARIABLE} and --admin-token-file ({FILE_VARIABLE}) are given; \
                     one will do"
                )
            }
            (Some(value), None) => {
                let text = value.into_string();
                let text = text.map_err(|_| anyhow!("{ADMIN_TOKEN_VARIABLE} is not UTF-8"))?;
                (text, ADMIN_TOKEN_VARIABLE.to_owned())
            }
            (None, Some(path)) if path.to_string_lossy().contains(TokenKind::Admin.prefix()) => {
                bail!(
                    "--admin-token-file ({FILE_VARIABLE}) takes the name of a file; \
                     {ADMIN_TOKEN_VARIABLE} takes a token"
                )
            }
            (None, Some(path)) => {
                let source = format!("--admin-token-file {}", path.display());
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {source} ({FILE_VARIABLE})"))?;
                (text, source)
            }
        };
        let token = parse_admin(text.trim()).with_context(|| source.clone())?;
        Ok(Some(AdminToken { token, source }))
    }
}

fn parse_admin(text: &str) -> anyhow::Result<Token> {
    match Token::parse(text) {
        Some(token) if token.kind() == TokenKind::Admin => Ok(token),
        Some(_) => bail!("it holds a workspace token; an admin token begins with hookpost_adm_"),
        None => bail!("it holds no token as `hookpost token create --admin` prints it"),
    }
}

/// Makes the workspace `default` in an empty database, and logs the command that makes a token for it. Without
/// `admin`, it then also prints an admin token to a terminal, or logs the command that makes one.
///
/// From now on the server accepts `admin`, unless it was revoked. The admin token of earlier settings ends if
/// the settings no longer have it.
pub(super) async fn seed(
    store: &dyn Store,
    admin: Option<AdminToken>,
    database: &Path,
) -> anyhow::Result<()> {
    let is_new = is_empty(store)?;
    if is_new {
        make_workspace(store, database).await?;
    }
    let hash = admin.as_ref().map(|admin| admin.token.hash());
    let reconciled = store.reconcile_admin_token(hash).await?;
    log_changes(&reconciled, admin.as_ref());
    match admin {
        None if is_new && io::stderr().is_terminal() => {
            let token = Token::generate(TokenKind::Admin);
            let new = NewAccessToken {
                hash: token.hash(),
                workspace_id: None,
                comment: "made at the first start".to_owned(),
                scopes: Scopes::all(),
                expires_in: None,
            };
            store.create_token(Actor::Operator, new).await?;
            output::remark(&format!(
                "\nAdmin token, shown only now:\n\n    {}\n",
                token.reveal()
            ));
        }
        None if is_new => tracing::info!(
            "there is no admin token yet; make one with: {}",
            token_command("--admin", database)
        ),
        Some(_) | None => {}
    }
    Ok(())
}

/// Makes the workspace `default` and logs it, unless a tool has made it since the database was empty.
async fn make_workspace(store: &dyn Store, database: &Path) -> Result<(), StoreError> {
    let name = WorkspaceName::from_stored(DEFAULT_WORKSPACE.to_owned());
    match store.create_workspace(name).await {
        Ok(_) => log_new_workspace(database),
        Err(StoreError::NameTaken) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Logs that the default workspace was made. Where no person watches, the line also says how to make a token;
/// on a terminal, the welcome text says it.
fn log_new_workspace(database: &Path) {
    if io::stderr().is_terminal() {
        tracing::info!("made the workspace {DEFAULT_WORKSPACE}");
    } else {
        tracing::info!(
            "made the workspace {DEFAULT_WORKSPACE}; make a token for it with: {}",
            token_command(&format!("--workspace {DEFAULT_WORKSPACE}"), database)
        );
    }
}

/// Reports whether the database has neither workspaces nor tokens: nobody has used it yet.
fn is_empty(store: &dyn Store) -> Result<bool, StoreError> {
    let first = Page {
        number: 1,
        limit: 1,
    };
    Ok(store.list_workspaces(Visibility::All, first)?.total == 0
        && store.list_tokens(Visibility::All, &[], first)?.total == 0)
}

/// Logs what happens to admin tokens of the settings: one has ended, is not accepted, or will end.
fn log_changes(reconciled: &ReconciledAdminToken, admin: Option<&AdminToken>) {
    for EndedAdminToken { id, children } in &reconciled.ended {
        tracing::warn!(
            token = %id,
            children,
            "an admin token is not in the settings any more and has ended; the tokens that it made stay"
        );
    }
    let Some(AdminToken { source, .. }) = admin else {
        return;
    };
    match reconciled.given {
        Some(SettingsTokenState::Revoked(at)) => tracing::warn!(
            "the admin token of {source} was revoked at {at} and is not accepted: set another one"
        ),
        Some(SettingsTokenState::Accepted(Some(end))) => tracing::warn!(
            "the admin token of {source} was made to end at {end}, and does so: set one that does not expire"
        ),
        Some(SettingsTokenState::Accepted(None)) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::database::open_or_make;

    #[test]
    fn a_workspace_that_a_tool_makes_at_the_first_start_does_not_end_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("hookpost.db");
        let store = open_or_make(&database, "test").unwrap();
        let name = WorkspaceName::from_stored(DEFAULT_WORKSPACE.to_owned());
        actix_web::rt::System::new().block_on(async {
            store.create_workspace(name).await.unwrap();
            make_workspace(&*store, &database).await.unwrap();
        });
    }

    #[test]
    fn only_an_admin_token_is_taken_and_a_bad_one_is_not_quoted() {
        let admin = Token::generate(TokenKind::Admin);
        assert_eq!(parse_admin(admin.reveal()).unwrap(), admin);
        let workspace = Token::generate(TokenKind::Workspace);
        let mistyped = format!("{}x", admin.reveal());
        for bad in [workspace.reveal(), &mistyped, "secret-text"] {
            let message = format!("{:#}", parse_admin(bad).unwrap_err());
            assert!(!message.contains(bad), "{message}");
        }
    }
}
