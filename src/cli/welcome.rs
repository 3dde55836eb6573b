//! The texts of `serve` for a person who has just started it: the way to a first token, and the URLs.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::Path;

use super::output;
use super::request::reachable;
use super::seed::DEFAULT_WORKSPACE;
use super::token_command::token_command;

/// Prints to a terminal the command that makes a token, the URLs of the server, and its version. Prints
/// nothing where the log goes to a file or another program.
pub(super) fn print(addr: SocketAddr, database: &Path) {
    if io::stderr().is_terminal() {
        let command = token_command(&format!("--workspace {DEFAULT_WORKSPACE}"), database);
        output::remark(&text(&command, reachable(addr)));
    }
}

fn text(command: &str, addr: SocketAddr) -> String {
    format!(
        "\nMake a token for your application, in another terminal:\n\n    \
         {command}\n\n\
         The API is at    http://{addr}/api\n\
         Its state is at  http://{addr}/readyz  (open it in a browser)\n\
         Version          {}\n",
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urls_are_those_that_this_machine_reaches() {
        let shown = text("x", reachable("0.0.0.0:8080".parse().unwrap()));
        assert!(shown.contains("http://127.0.0.1:8080/readyz "), "{shown}");
    }
}
