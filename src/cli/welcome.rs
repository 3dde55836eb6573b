//! The texts of `serve` for a person who has just started it: the way to a first token, and the URLs.

use std::io::{self, IsTerminal};
use std::path::Path;

use super::output;
use super::request::reachable;
use super::seed::DEFAULT_WORKSPACE;
use super::token_command::token_command;
use crate::app::Application;
use crate::config::ListenAddress;

/// Prints to a terminal the command that makes a token, the URLs of the server, its database and its version.
/// Prints nothing where the log goes to a file or another program.
pub(super) fn print(app: &Application, has_tls: bool, database: &Path) {
    if io::stderr().is_terminal() {
        let command = token_command(&format!("--workspace {DEFAULT_WORKSPACE}"), database);
        let addr = app.addr();
        // The code is made only where a person reads it.
        let sign_in = app.one_time_path();
        let urls = urls(addr, has_tls, sign_in.as_deref());
        output::remark(&text(&command, &urls, database));
    }
}

/// Returns the lines about where the server is.
fn urls(addr: &ListenAddress, has_tls: bool, sign_in: Option<&str>) -> String {
    let scheme = if has_tls { "https" } else { "http" };
    match addr.tcp() {
        Some(addr) => {
            let base = format!("{scheme}://{}", reachable(addr));
            let dashboard = sign_in
                .map(|path| format!("The dashboard    {base}{path}  (signs you in, once)\n"))
                .unwrap_or_default();
            format!(
                "{dashboard}\
                 The API is at    {base}/api\n\
                 Try it at        {base}/docs  (in a browser)\n\
                 Its state is at  {base}/readyz\n"
            )
        }
        None => format!("The API is at    {addr}\n"),
    }
}

fn text(command: &str, urls: &str, database: &Path) -> String {
    format!(
        "\nMake a token for your application, in another terminal:\n\n    \
         {command}\n\n\
         {urls}\
         Database         {}\n\
         Version          {}\n",
        database.display(),
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urls_are_those_that_this_machine_reaches() {
        let all = ListenAddress::Tcp("0.0.0.0:8080".parse().unwrap());
        let shown = urls(&all, false, Some("/login?code=x"));
        assert!(
            shown.contains("http://127.0.0.1:8080/login?code=x "),
            "{shown}"
        );
        assert!(shown.contains("http://127.0.0.1:8080/docs "), "{shown}");
        let shown = urls(&all, true, None);
        assert!(shown.contains("https://127.0.0.1:8080/readyz\n"), "{shown}");
        let shown = urls(&ListenAddress::Unix("/run/x.sock".into()), false, None);
        assert!(shown.contains("unix:/run/x.sock\n"), "{shown}");
    }
}
