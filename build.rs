//! The build script: it tells `hookpost --version` the commit that is built.
//!
//! Only builds for release know it: a build for development would be made again after every commit. A source
//! tree without its own `.git`, such as a tarball, has no commit to tell, unless the variable `HOOKPOST_COMMIT`
//! gives it.

use std::path::Path;
use std::process::Command;

/// The variable that gives the commit where git cannot.
const COMMIT: &str = "HOOKPOST_COMMIT";

/// The variable under which the program finds it while it is built. `cargo run` passes it on, so its name is not that of a
/// setting.
const FOUND: &str = "COMMIT_OF_HOOKPOST";

fn main() {
    // Without this line, a change of any file would run the script again.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={COMMIT}");
    let given = std::env::var(COMMIT)
        .ok()
        .filter(|commit| !commit.is_empty());
    if let Some(commit) = given.or_else(commit_of_git) {
        println!("cargo::rustc-env={FOUND}={commit}");
    }
}

fn commit_of_git() -> Option<String> {
    // A tarball may lie in the clone of another project.
    if std::env::var("PROFILE").ok()? != "release" || !Path::new(".git").exists() {
        return None;
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"])?;
    // A commit changes the file of its branch. A branch that has none yet, because it is packed, gets one: this
    // shows in the log.
    for name in ["HEAD", &branch, "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        // A file that does not exist would count as changed in every build.
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    Some(commit)
}

/// Returns what a command of git prints, or `None` if there is no git or the command fails.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
