//! `hookpost token`: makes, lists and revokes access tokens in the database file itself.
//!
//! A running server sees the changes within a second.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::bail;
use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{database, output, table};
use crate::config::{StorageSettings, invisible, parse_duration};
use crate::domain::access::{
    self, AccessToken, Actor, COMMENT_MAX, EXPIRES_IN_MAX_S, Scope, Scopes, TokenKind, Visibility,
};
use crate::domain::clock::Timestamp;
use crate::domain::invisible::first_invisible;
use crate::domain::workspace;
use crate::storage::{Descendants, NewAccessToken, Store, StoreError};

/// Access tokens.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token and print it: the only time it is shown.
    Create(Create),
    /// List the tokens, newest first; never the tokens themselves.
    List(List),
    /// End a token and those that it made, within a second even on a running server.
    Revoke(Revoke),
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(),
            Self::List(list) => list.run(),
            Self::Revoke(revoke) => revoke.run(),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct Create {
    #[command(flatten)]
    storage: StorageSettings,

    /// The workspace that the token acts for; a new name makes a workspace. For all workspaces: `--admin`.
    #[arg(
        long,
        env = "HOOKPOST_WORKSPACE",
        value_name = "NAME-OR-ID",
        required_unless_present = "admin"
    )]
    workspace: Option<String>,

    /// Make an admin token: the whole server, every scope.
    #[arg(long, env = "HOOKPOST_ADMIN", value_parser = BoolishValueParser::new(),
          conflicts_with_all = ["workspace", "scope"])]
    admin: bool,

    /// A scope of the token (repeatable); without any, webhooks:publish, webhooks:read and webhooks:write.
    #[arg(long, env = "HOOKPOST_SCOPE", value_name = "SCOPE", value_delimiter = ',',
          value_parser = scope_parser())]
    scope: Vec<Scope>,

    /// The purpose of the token, shown in lists.
    #[arg(long, env = "HOOKPOST_COMMENT", default_value = "", hide_default_value = true,
          value_parser = parse_comment)]
    comment: String,

    /// End the token after this time, such as 30d; without it, it lives until revoked.
    #[arg(long, env = "HOOKPOST_EXPIRES_IN", value_name = "TIME", value_parser = parse_life)]
    expires_in: Option<Duration>,
}

fn scope_parser() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::as_str))
        .map(|name| Scope::parse(&name).expect("only the names of scopes are possible"))
}

fn parse_comment(text: &str) -> Result<String, String> {
    if text.chars().count() > COMMENT_MAX {
        return Err(format!("at most {COMMENT_MAX} characters"));
    }
    if let Some(character) = first_invisible(text) {
        return Err(invisible("a comment", character));
    }
    Ok(text.to_owned())
}

fn parse_life(text: &str) -> Result<Duration, String> {
    let life = parse_duration(text)?;
    if (1..=EXPIRES_IN_MAX_S).contains(&life.as_secs()) {
        Ok(life)
    } else {
        Err("must be between 1s and 100 years".to_owned())
    }
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let store = database::open_or_make(&self.storage.database, "token create")?;
        let workspace = self.workspace(&*store)?;
        let (kind, scopes) = match &workspace {
            None => (TokenKind::Admin, Scopes::all()),
            Some(_) if self.scope.is_empty() => (TokenKind::Workspace, Scopes::webhooks()),
            Some(_) => (TokenKind::Workspace, self.scope.into_iter().collect()),
        };
        let credential = access::Token::generate(kind);
        let new = NewAccessToken {
            hash: credential.hash(),
            workspace_id: workspace.as_ref().map(|workspace| workspace.id),
            comment: self.comment,
            scopes,
            expires_in: self.expires_in,
        };
        let token = store.create_token(Actor::Operator, new).wait()?;
        output::remark(&description(&token, workspace.as_ref()));
        output::result(&format!("{}\n", credential.reveal()))
    }

    /// Returns the workspace of the new token, and makes it if its name is new. `None` for an admin token.
    fn workspace(&self, store: &dyn Store) -> anyhow::Result<Option<workspace::Workspace>> {
        let name_or_id = match &self.workspace {
            Some(name_or_id) if !self.admin => name_or_id,
            _ => return Ok(None),
        };
        let (workspace, is_new) = database::ensure_workspace(store, name_or_id)?;
        if is_new {
            output::remark(&format!(
                "Made workspace {} ({}).",
                workspace.name.as_str(),
                workspace.id
            ));
        }
        Ok(Some(workspace))
    }
}

/// Returns the remark about a new token.
fn description(token: &AccessToken, workspace: Option<&workspace::Workspace>) -> String {
    let whose = workspace.map_or_else(
        || "the whole server".to_owned(),
        |workspace| format!("workspace {}", workspace.name.as_str()),
    );
    format!(
        "Token {} for {whose}: {}; {}. It is not shown again.",
        token.id,
        names(token.scopes),
        token
            .expires_at
            .map_or("does not expire".to_owned(), |at| format!("expires {at}")),
    )
}

#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    storage: StorageSettings,

    /// Print JSON instead of columns.
    #[arg(long, env = "HOOKPOST_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let store = database::open(&self.storage.database, "token list")?;
        let tokens = database::all(|page| store.list_tokens(Visibility::All, &[], page))?;
        let text = if self.json {
            output::json(&tokens)?
        } else {
            columns(&*store, &tokens)?
        };
        output::listing(&text)
    }
}

fn columns(store: &dyn Store, tokens: &[AccessToken]) -> Result<String, StoreError> {
    let names_by_id: HashMap<Uuid, String> = database::workspaces(store)?
        .into_iter()
        .map(|workspace| (workspace.id, workspace.name.as_str().to_owned()))
        .collect();
    let time = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.to_string());
    let rows: Vec<[String; 8]> = tokens
        .iter()
        .map(|token| {
            let workspace = match token.workspace_id {
                None => "(admin)".to_owned(),
                Some(id) => (names_by_id.get(&id).cloned()).unwrap_or_else(|| id.to_string()),
            };
            [
                token.id.to_string(),
                workspace,
                names(token.scopes),
                token.created_at.to_string(),
                time(token.expires_at),
                time(token.last_used_at),
                token.parent_id.map_or("-".to_owned(), |id| id.to_string()),
                token.comment.clone(),
            ]
        })
        .collect();
    let headings = [
        "ID",
        "WORKSPACE",
        "SCOPES",
        "CREATED",
        "EXPIRES",
        "LAST USED",
        "PARENT",
        "COMMENT",
    ];
    Ok(table::render(headings, &rows))
}

/// Returns the names of `scopes`, comma-separated.
fn names(scopes: Scopes) -> String {
    if scopes == Scopes::all() {
        return "all scopes".to_owned();
    }
    let names: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
    names.join(",")
}

#[derive(Args, Debug)]
pub(super) struct Revoke {
    /// The id of the token, as `token list` shows it.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    /// Keep the tokens that it made; they then belong to the token that made it.
    #[arg(long, env = "HOOKPOST_KEEP_CHILDREN", value_parser = BoolishValueParser::new())]
    keep_children: bool,

    #[command(flatten)]
    storage: StorageSettings,
}

fn parse_id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| "expected an id as `token list` shows it".to_owned())
}

impl Revoke {
    fn run(self) -> anyhow::Result<()> {
        let store = database::open(&self.storage.database, "token revoke")?;
        let descendants = if self.keep_children {
            Descendants::Kept
        } else {
            Descendants::Revoked
        };
        let revoked = store.revoke_token(Actor::Operator, self.id, descendants);
        match revoked.wait() {
            Ok(below) => {
                let more = match (below, descendants) {
                    (0, _) => String::new(),
                    (n, Descendants::Revoked) => format!(" and {n} that came from it"),
                    (n, Descendants::Kept) => format!("; {n} that came from it stay"),
                };
                output::remark(&format!("Revoked token {}{more}.", self.id));
                Ok(())
            }
            Err(StoreError::NotFound) => bail!("there is no token {}", self.id),
            Err(error) => Err(error.into()),
        }
    }
}
