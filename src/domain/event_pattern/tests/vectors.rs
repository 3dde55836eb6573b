//! Facts of the language, among them those that the authors of event-ruler (its README) and of quamina (its
//! PATTERNS.md) show in examples, as far as they are in this language. Each is a pattern and a text of data. These are
//! about single values; [`super::structure`] has those about absence, arrays and alternatives.

use super::TestMessage;

/// Checks patterns for the data of a message.
pub(super) fn check(data: &str, patterns: &[(&str, bool)]) {
    let message = TestMessage::new(data);
    for (pattern, expected) in patterns {
        let whole = format!(r#"{{"data":{pattern}}}"#);
        assert_eq!(message.is_matched(&whole), *expected, "{pattern} in {data}");
    }
}

/// An object like that on which the README shows each kind of candidate.
pub(super) const MACHINE: &str = r#"{
    "source": "cloud.ec2",
    "time": "2017-10-02T16:24:49Z",
    "kind": "Machine State Change",
    "resources": ["arn:machine/i-0a"],
    "detail": {"c-count": 5, "d-count": 3, "x-limit": 301.8, "source-ip": "10.0.0.33", "state": "running"}
}"#;

#[test]
fn values_are_alternatives_and_members_are_not() {
    check(
        MACHINE,
        &[
            (
                r#"{"kind":["Machine State Change"],"detail":{"state":["initializing","running"]}}"#,
                true,
            ),
            (
                r#"{"kind":["Machine State Change"],"detail":{"state":["initializing"]}}"#,
                false,
            ),
            (
                r#"{"kind":["Other"],"detail":{"state":["running"]}}"#,
                false,
            ),
            // The value of the message is an array: one item is enough.
            (r#"{"resources":["arn:machine/i-0a","other"]}"#, true),
            (r#"{"resources":["other"]}"#, false),
        ],
    );
    check(
        r#"{"r":["a","b"]}"#,
        &[(r#"{"r":["c","b"]}"#, true), (r#"{"r":["c","d"]}"#, false)],
    );
}

#[test]
fn texts_are_matched_by_their_form() {
    check(
        MACHINE,
        &[
            (r#"{"time":[{"prefix":"2017-10-02"}]}"#, true),
            (r#"{"time":[{"prefix":"2017-10-03"}]}"#, false),
            (r#"{"time":[{"prefix":""}]}"#, true),
            (r#"{"source":[{"suffix":"ec2"}]}"#, true),
            (r#"{"source":[{"suffix":"ec3"}]}"#, false),
            (r#"{"source":[{"equals-ignore-case":"CLOUD.EC2"}]}"#, true),
            (r#"{"source":[{"equals-ignore-case":"CLOUD.EC"}]}"#, false),
            (r#"{"source":[{"wildcard":"cl*2"}]}"#, true),
            (r#"{"source":[{"wildcard":"cl*3"}]}"#, false),
            // These work on texts alone.
            (r#"{"detail":{"c-count":[{"prefix":"5"}]}}"#, false),
            (r#"{"detail":{"c-count":[{"suffix":"5"}]}}"#, false),
            (
                r#"{"detail":{"c-count":[{"equals-ignore-case":"5"}]}}"#,
                false,
            ),
            (r#"{"detail":{"c-count":[{"wildcard":"*"}]}}"#, false),
        ],
    );
    check(
        r#"{"img":"https://example.com/9943.jpg"}"#,
        &[
            (r#"{"img":[{"wildcard":"*.jpg"}]}"#, true),
            (r#"{"img":[{"wildcard":"https://example.com/*"}]}"#, true),
            (
                r#"{"img":[{"wildcard":"https://example.com/*.jpg"}]}"#,
                true,
            ),
            (
                r#"{"img":[{"wildcard":"https://example.com/*.png"}]}"#,
                false,
            ),
        ],
    );
    check(
        r#"{"path":"a*b\\c"}"#,
        &[
            (r#"{"path":[{"wildcard":"a\\*b*"}]}"#, true),
            (r#"{"path":[{"wildcard":"a\\*b\\\\c"}]}"#, true),
            (r#"{"path":[{"wildcard":"a\\*c"}]}"#, false),
        ],
    );
}

#[test]
fn anything_but_needs_a_value_that_is_another() {
    check(
        MACHINE,
        &[
            (
                r#"{"detail":{"state":[{"anything-but":"initializing"}]}}"#,
                true,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":"running"}]}}"#,
                false,
            ),
            (r#"{"detail":{"x-limit":[{"anything-but":123}]}}"#, true),
            (r#"{"detail":{"x-limit":[{"anything-but":301.80}]}}"#, false),
            (
                r#"{"detail":{"state":[{"anything-but":["stopped","overloaded"]}]}}"#,
                true,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":["stopped","running"]}]}}"#,
                false,
            ),
            (
                r#"{"detail":{"x-limit":[{"anything-but":[100,200,300]}]}}"#,
                true,
            ),
            (
                r#"{"detail":{"x-limit":[{"anything-but":[100,3.018e2]}]}}"#,
                false,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":{"prefix":"init"}}]}}"#,
                true,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":{"prefix":"run"}}]}}"#,
                false,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":{"prefix":["a","run"]}}]}}"#,
                false,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":{"suffix":"ing"}}]}}"#,
                false,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":{"equals-ignore-case":"RUNNING"}}]}}"#,
                false,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":{"wildcard":["x*","r*g"]}}]}}"#,
                false,
            ),
            (
                r#"{"detail":{"state":[{"anything-but":{"wildcard":["x*","r*n"]}}]}}"#,
                true,
            ),
            // Another type is another value.
            (r#"{"detail":{"c-count":[{"anything-but":"5"}]}}"#, true),
            (
                r#"{"detail":{"c-count":[{"anything-but":{"prefix":"5"}}]}}"#,
                true,
            ),
            // A field that is absent has no value.
            (r#"{"detail":{"other":[{"anything-but":"a"}]}}"#, false),
            (r#"{"detail":[{"anything-but":"a"}]}"#, false),
        ],
    );
    check(
        r#"{"a":["x","y"],"n":null}"#,
        &[
            (r#"{"a":[{"anything-but":"x"}]}"#, true),
            (r#"{"a":[{"anything-but":["x","y"]}]}"#, false),
            (r#"{"n":[{"anything-but":"x"}]}"#, true),
            (r#"{"n":[{"anything-but":null}]}"#, false),
            (r#"{"n":[{"anything-but":[true,null]}]}"#, false),
        ],
    );
}

#[test]
fn numbers_are_compared_by_value() {
    check(
        MACHINE,
        &[
            (
                r#"{"detail":{"c-count":[{"numeric":[">",0,"<=",5]}]}}"#,
                true,
            ),
            (
                r#"{"detail":{"c-count":[{"numeric":[">",0,"<",5]}]}}"#,
                false,
            ),
            (r#"{"detail":{"d-count":[{"numeric":["<",10]}]}}"#, true),
            (r#"{"detail":{"d-count":[{"numeric":["<",3]}]}}"#, false),
            (r#"{"detail":{"d-count":[{"numeric":[">=",3]}]}}"#, true),
            (
                r#"{"detail":{"x-limit":[{"numeric":["=",3.018e2]}]}}"#,
                true,
            ),
            (r#"{"detail":{"x-limit":[{"numeric":["=",301]}]}}"#, false),
            (r#"{"detail":{"c-count":[5.0]}}"#, true),
            (r#"{"detail":{"c-count":[50e-1]}}"#, true),
            (r#"{"detail":{"state":[{"numeric":[">=",0]}]}}"#, false),
        ],
    );
    check(
        r#"{"text":"5","long":9007199254740993,"longest":18446744073709551615,"huge":1e400}"#,
        &[
            (r#"{"text":[5]}"#, false),
            (r#"{"text":[{"numeric":["=",5]}]}"#, false),
            (r#"{"long":[9007199254740993]}"#, true),
            (r#"{"long":[9007199254740992]}"#, false),
            (r#"{"long":[{"numeric":[">",9007199254740992]}]}"#, true),
            (r#"{"longest":[18446744073709551615]}"#, true),
            (r#"{"longest":[18446744073709551614]}"#, false),
            (r#"{"huge":[{"numeric":[">",18446744073709551615]}]}"#, true),
        ],
    );
}

#[test]
fn addresses_are_in_networks() {
    check(
        MACHINE,
        &[
            (r#"{"detail":{"source-ip":[{"cidr":"10.0.0.0/24"}]}}"#, true),
            (
                r#"{"detail":{"source-ip":[{"cidr":"10.0.1.0/24"}]}}"#,
                false,
            ),
            (r#"{"detail":{"source-ip":[{"cidr":"10.0.0.33"}]}}"#, true),
            (
                r#"{"detail":{"source-ip":[{"cidr":"10.0.0.0/32"}]}}"#,
                false,
            ),
            (r#"{"detail":{"source-ip":[{"cidr":"::/0"}]}}"#, false),
            (r#"{"detail":{"state":[{"cidr":"0.0.0.0/0"}]}}"#, false),
            (r#"{"detail":{"c-count":[{"cidr":"0.0.0.0/0"}]}}"#, false),
        ],
    );
    check(
        r#"{"ip":"2001:DB8::5"}"#,
        &[
            (r#"{"ip":[{"cidr":"2001:db8::/64"}]}"#, true),
            (r#"{"ip":[{"cidr":"2001:db8:0:1::/64"}]}"#, false),
        ],
    );
}

#[test]
fn conditions_of_all_kinds_hold_together() {
    let pattern = r#"{"time":[{"prefix":"2017-10-02"}],"detail":{
        "state":[{"anything-but":"initializing"}],"c-count":[{"numeric":[">",0,"<=",5]}],
        "d-count":[{"numeric":["<",10]}],"x-limit":[{"anything-but":[100,200,300]}],
        "source-ip":[{"cidr":"10.0.0.0/8"}]}}"#;
    check(MACHINE, &[(pattern, true)]);
    for (from, to) in [
        ("2017-10-02", "2017-10-03"),
        ("running", "initializing"),
        ("\"c-count\": 5", "\"c-count\": 6"),
        ("\"d-count\": 3", "\"d-count\": 10"),
        ("301.8", "300"),
        ("10.0.0.33", "11.0.0.33"),
    ] {
        check(&MACHINE.replace(from, to), &[(pattern, false)]);
    }
}

#[test]
fn of_a_repeated_member_the_last_counts() {
    check(
        r#"{"a":1,"b":0,"a":2}"#,
        &[(r#"{"a":[2]}"#, true), (r#"{"a":[1]}"#, false)],
    );
    check(
        r#"{"a":1}"#,
        &[
            (r#"{"a":[2],"a":[1]}"#, true),
            (r#"{"a":[1],"a":[2]}"#, false),
        ],
    );
    check(r#"{"a":{"b":1},"a":2}"#, &[(r#"{"a":{"b":[1]}}"#, false)]);
}

#[test]
fn texts_and_names_are_compared_without_their_escapes() {
    check(
        r#"{"st\u0061te":"\u00e9\n","a.b":1,"":2}"#,
        &[
            (r#"{"state":["é\n"]}"#, true),
            (r#"{"\u0073tate":["\u00e9\u000a"]}"#, true),
            (r#"{"a.b":[1]}"#, true),
            // A dot does not lead into an object.
            (r#"{"a":{"b":[1]}}"#, false),
            (r#"{"":[2]}"#, true),
        ],
    );
    check(
        r#"{"a":true,"b":"true"}"#,
        &[(r#"{"a":[true]}"#, true), (r#"{"b":[true]}"#, false)],
    );
}
