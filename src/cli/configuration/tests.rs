//! The tests of where values come from, on the real command line.

use std::fs;

use clap::FromArgMatches;
use tempfile::TempDir;

use super::*;
use crate::app::AppSettings;
use crate::cli::command;

fn environment(variables: &[(&str, &str)]) -> Environment {
    let all = variables.iter();
    all.map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
        .collect()
}

fn read_line(line: &str, variables: &[(&str, &str)]) -> Result<Configuration, Refusal> {
    let args = std::iter::once("hookpost").chain(line.split_whitespace());
    read(
        command(),
        args.map(OsString::from).collect(),
        &environment(variables),
    )
}

fn accepted(line: &str, variables: &[(&str, &str)]) -> Configuration {
    read_line(line, variables).unwrap_or_else(|refusal| panic!("{}", said(&refusal)))
}

fn refused(line: &str, variables: &[(&str, &str)]) -> String {
    match read_line(line, variables) {
        Ok(_) => panic!("{line} is accepted"),
        Err(refusal) => said(&refusal),
    }
}

fn said(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Usage(usage) => usage.to_string(),
        Refusal::Problems(found) => problems(found),
    }
}

/// The settings of a server.
fn server(configuration: &Configuration) -> AppSettings {
    let (_, serve) = configuration.matches.subcommand().unwrap();
    AppSettings::from_arg_matches(serve).unwrap()
}

fn place<'c>(configuration: &'c Configuration, name: &str) -> (String, String) {
    let setting = configuration.settings.iter().find(|s| s.name == name);
    let setting: &'c Setting = setting.unwrap();
    (setting.shown(), setting.place())
}

fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hookpost.toml");
    fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[test]
fn a_flag_wins_over_a_variable_over_a_file_over_a_default() {
    let (_folder, path) = file("max-threads = 5\nmax-tokens = 5\nmax-endpoints = 5\n");
    let variables = [
        ("HOOKPOST_CONFIG", path.as_str()),
        ("HOOKPOST_MAX_THREADS", "6"),
        ("HOOKPOST_MAX_TOKENS", "6"),
    ];
    let configuration = accepted("serve --max-threads 7", &variables);
    let settings = server(&configuration);
    assert_eq!(settings.delivery.max_threads, 7);
    assert_eq!(settings.api.max_tokens, 6);
    assert_eq!(settings.api.max_endpoints, 5);
    assert_eq!(settings.api.rate_limit, 500);
    for (name, value, from) in [
        ("max-threads", "7", "--max-threads".to_owned()),
        ("max-tokens", "6", "HOOKPOST_MAX_TOKENS".to_owned()),
        (
            "max-endpoints",
            "5",
            format!("{path}, line 3, max-endpoints"),
        ),
        ("rate-limit", "500", "default".to_owned()),
    ] {
        assert_eq!(place(&configuration, name), (value.to_owned(), from));
    }
}

#[test]
fn a_flag_without_a_value_is_switched_by_every_source() {
    let (_folder, path) = file("allow-http = true\n");
    let given = format!("--config {path} serve");
    let is_on = |line: &str, variables: &[(&str, &str)]| {
        server(&accepted(line, variables)).network.allow_http
    };
    assert!(is_on("serve --allow-http", &[]));
    assert!(is_on("serve", &[("HOOKPOST_ALLOW_HTTP", "yes")]));
    assert!(is_on(&given, &[]));
    assert!(!is_on(&given, &[("HOOKPOST_ALLOW_HTTP", "false")]));
    assert!(!is_on("serve", &[("HOOKPOST_ALLOW_HTTP", "")]));
    assert!(!is_on("serve", &[]));
}

#[test]
fn a_setting_that_repeats_takes_a_list() {
    let (_folder, path) =
        file("retry-schedule = [\"1s\", \"2s\"]\nallow-network = \"10.0.0.0/8,192.168.0.0/16\"\n");
    let settings = server(&accepted("serve", &[("HOOKPOST_CONFIG", &path)]));
    assert_eq!(settings.delivery.retry_schedule.len(), 2);
    assert_eq!(settings.network.allow_network.len(), 2);
    let variable = [("HOOKPOST_RETRY_SCHEDULE", "1s,2s,3s")];
    let settings = server(&accepted("serve", &variable));
    assert_eq!(settings.delivery.retry_schedule.len(), 3);
}

#[test]
fn every_problem_is_told_with_its_place() {
    let (_folder, path) = file(
        "\nlisten = \"8090\"\nmax-treads = 5\nallow-network = [\"lan\", \"10.0.0.0/8\", \"wan\"]\nca-file = 1.5\n",
    );
    let line = format!("serve --config {path} --max-threads 3");
    let said = refused(&line, &[("HOOKPOST_GRACE_PERIOD", "never")]);
    for part in [
        "7 settings cannot be used:\n",
        &format!("  in {path}, line 2, listen: '8090': expected ADDR:PORT"),
        &format!("  in {path}, line 4, allow-network: 'lan': expected a network"),
        &format!("  in {path}, line 4, allow-network: 'wan': expected a network"),
        &format!("  in {path}, line 3: 'max-treads' is no setting; did you mean 'max-threads'?"),
        &format!("  in {path}, line 5: 'ca-file' takes a text or a number"),
        "  in --max-threads: '3': expected a whole number from 4 to 2048",
        "  in HOOKPOST_GRACE_PERIOD: 'never': expected a whole number with ms, s, m, h or d",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_value_of_the_file_is_refused_with_its_line() {
    let (_folder, path) = file("\nlisten = \"8090\"\nallow-network = [\"lan\"]\n");
    let said = refused("serve", &[("HOOKPOST_CONFIG", &path)]);
    for part in [
        format!("in {path}, line 2, listen: '8090': expected ADDR:PORT, such as 127.0.0.1:8080"),
        format!("in {path}, line 3, allow-network: 'lan': expected a network"),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
}

#[test]
fn one_problem_is_one_line() {
    for (variable, value, says) in [
        (
            "HOOKPOST_LISTEN",
            "8090",
            "'8090': expected ADDR:PORT, such as 127.0.0.1:8080",
        ),
        (
            "HOOKPOST_ALLOW_HTTP",
            "maybe",
            "'maybe': expected true or false",
        ),
        (
            "HOOKPOST_LOG_FORMAT",
            "xml",
            "'xml': expected one of auto, text, json",
        ),
        (
            "HOOKPOST_CONFIG",
            "/none.toml",
            "cannot read /none.toml: No such",
        ),
    ] {
        let said = refused("serve", &[(variable, value)]);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.starts_with(&format!("hookpost: in {variable}: {says}")),
            "{said}"
        );
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line() {
    let (_folder, path) = file("max-threads = 5\nlisten 8080\n");
    let said = refused("serve", &[("HOOKPOST_CONFIG", &path)]);
    assert!(said.contains(&format!("in {path}, line 2: ")), "{said}");
}

#[test]
fn another_command_takes_from_the_file_what_it_has() {
    let (_folder, path) = file("database = \"/x/y.db\"\nlisten = \"127.0.0.1:1\"\n");
    let variables = [("HOOKPOST_CONFIG", path.as_str())];
    let tool = accepted("token list", &variables);
    assert_eq!(place(&tool, "database").0, "/x/y.db");
    assert!(tool.settings.iter().all(|setting| setting.name != "listen"));
    // A server for trying things out never takes the data of a real one.
    let dev = accepted("dev", &variables);
    assert_eq!(place(&dev, "database").1, "default");
}

#[test]
fn flags_that_do_not_fit_together_are_named_by_their_places() {
    let said = refused("token create --workspace a", &[("HOOKPOST_ADMIN", "true")]);
    assert!(said.contains("'HOOKPOST_ADMIN'"), "{said}");
    let said = refused("token create", &[]);
    assert!(said.contains("--workspace"), "{said}");
    accepted("token create", &[("HOOKPOST_WORKSPACE", "a")]);
}

#[test]
fn flags_may_stand_before_the_end_of_flags() {
    let variables = [("HOOKPOST_DATABASE", "/x.db")];
    let id = "00000000-0000-4000-8000-000000000000";
    let tool = accepted(&format!("token revoke -- {id}"), &variables);
    assert_eq!(place(&tool, "database").0, "/x.db");
}

#[test]
fn an_unknown_variable_is_told_with_the_one_that_was_meant() {
    let unknown = |names: &[&str]| -> Vec<String> {
        let variables: Vec<_> = names.iter().map(|name| (*name, "1")).collect();
        let configuration = accepted("token list", &variables);
        let unknown = configuration.unknown_variables.iter();
        unknown.map(ToString::to_string).collect()
    };
    assert_eq!(
        unknown(&["HOOKPOST_LISTN", "HOOKPOST_SOMETHING_ELSE"]),
        [
            "the variable HOOKPOST_LISTN is no setting; did you mean HOOKPOST_LISTEN?",
            "the variable HOOKPOST_SOMETHING_ELSE is no setting",
        ]
    );
    // The last ones come from Kubernetes, for a service of that name.
    let known = [
        "HOOKPOST_ADMIN_TOKEN",
        "HOOKPOST_MAX_THREADS",
        "HOOKPOST_PORT",
        "HOOKPOST_PORT_8080_TCP_ADDR",
        "HOOKPOST_SERVICE_HOST",
        "HOOKPOST_SERVICE_PORT_HTTP",
    ];
    assert_eq!(unknown(&known), Vec::<String>::new());
}

#[test]
fn the_example_file_sets_nothing_and_its_lines_are_the_defaults() {
    let args = ["hookpost", "config", "--example"];
    assert!(
        read(
            command(),
            args.map(OsString::from).to_vec(),
            &environment(&[])
        )
        .is_ok()
    );
    let example = crate::cli::config::example::text(&command());
    let (_folder, path) = file(&example);
    let line = format!("serve --config {path}");
    let defaults = accepted("serve", &[]);
    let settings = accepted(&line, &[]).settings;
    let from_file = settings.iter().filter(|s| s.place().contains("line"));
    assert_eq!(from_file.count(), 0);

    let uncommented: Vec<_> = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with([' ', '#']) => rest,
            _ => line,
        })
        .collect();
    let (_folder, path) = file(&uncommented.join("\n"));
    let line = format!("serve --config {path}");
    let mut compared = 0;
    for setting in accepted(&line, &[]).settings {
        if setting.name == "config" {
            continue;
        }
        assert!(setting.place().contains("line"), "{}", setting.name);
        let default = defaults.settings.iter().find(|s| s.name == setting.name);
        let default = default.unwrap().shown();
        if !default.is_empty() {
            assert_eq!(setting.shown(), default, "{}", setting.name);
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared}");
}
