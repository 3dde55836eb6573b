//! Facts of the language, among them those that the authors of event-ruler (its README) and of quamina (its
//! PATTERNS.md) show in examples, as far as they are in this language. Each is a pattern and a text of data.

use super::TestMessage;

/// Checks patterns for the data of a message.
fn check(data: &str, patterns: &[(&str, bool)]) {
    let message = TestMessage::new(data);
    for (pattern, expected) in patterns {
        let whole = format!(r#"{{"data":{pattern}}}"#);
        assert_eq!(message.is_matched(&whole), *expected, "{pattern} in {data}");
    }
}

/// An object like that on which the README shows each kind of candidate.
const MACHINE: &str = r#"{
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
fn exists_is_about_leaves() {
    check(
        MACHINE,
        &[
            (r#"{"detail":{"c-count":[{"exists":true}]}}"#, true),
            (r#"{"detail":{"c-count":[{"exists":false}]}}"#, false),
            (r#"{"detail":{"e-count":[{"exists":true}]}}"#, false),
            (r#"{"detail":{"e-count":[{"exists":false}]}}"#, true),
            // `detail` is no leaf.
            (r#"{"detail":[{"exists":true}]}"#, false),
            (r#"{"detail":[{"exists":false}]}"#, true),
            (r#"{"nowhere":{"deeper":[{"exists":false}]}}"#, true),
            (r#"{"nowhere":{"deeper":[{"exists":true}]}}"#, false),
            (r#"{"source":{"deeper":[{"exists":false}]}}"#, true),
            // As one candidate of several.
            (r#"{"detail":{"e-count":["a",{"exists":false}]}}"#, true),
            (r#"{"detail":{"state":["a",{"exists":false}]}}"#, false),
        ],
    );
    check(
        r#"{"alpha":{"beta":1}}"#,
        &[
            (r#"{"alpha":{"beta":[{"exists":true}]}}"#, true),
            (r#"{"alpha":{"gamma":[{"exists":false}]}}"#, true),
            (r#"{"alpha":[{"exists":true}]}"#, false),
        ],
    );
    check(
        r#"{"empty":[],"nothing":null,"nested":[[],[[]]],"object":{}}"#,
        &[
            (r#"{"empty":[{"exists":false}]}"#, true),
            (r#"{"empty":[{"exists":true}]}"#, false),
            (r#"{"empty":{"deeper":[{"exists":false}]}}"#, true),
            (r#"{"nested":[{"exists":false}]}"#, true),
            (r#"{"object":[{"exists":false}]}"#, true),
            // Null is a value.
            (r#"{"nothing":[{"exists":true}]}"#, true),
            (r#"{"nothing":[null]}"#, true),
            (r#"{"empty":[null]}"#, false),
            (r#"{"absent":[null]}"#, false),
            (r#"{"absent":[""]}"#, false),
        ],
    );
}

#[test]
fn paths_leave_arrays_out() {
    let pattern = r#"{"alpha":{"beta":[1]}}"#;
    check(r#"{"alpha":{"beta":1}}"#, &[(pattern, true)]);
    check(
        r#"{"alpha":[{"beta":[1,2]},{"beta":[3,4]}]}"#,
        &[
            (pattern, true),
            (r#"{"alpha":{"beta":[4]}}"#, true),
            (r#"{"alpha":{"beta":[5]}}"#, false),
        ],
    );
    let people = r#"[{"first":"John","last":"Doe"},{"first":"Anna","last":"Smith"},{"first":"Peter","last":"Jones"}]"#;
    let in_rows = r#"[[{"first":"John","last":"Doe"},{"first":"Anna","last":"Smith"}],[{"first":"Peter","last":"Jones"}]]"#;
    for people in [people, in_rows] {
        check(
            &format!(r#"{{"employees":{people}}}"#),
            &[
                (r#"{"employees":{"first":["Anna"]}}"#, true),
                (r#"{"employees":{"first":["Anna"],"last":["Smith"]}}"#, true),
                // No item has both.
                (
                    r#"{"employees":{"first":["Anna"],"last":["Jones"]}}"#,
                    false,
                ),
                (
                    r#"{"employees":{"$or":[{"last":["Nobody"]},{"first":["Peter"],"last":["Jones"]}]}}"#,
                    true,
                ),
                (
                    r#"{"employees":{"first":["Anna"],"age":[{"exists":false}]}}"#,
                    true,
                ),
            ],
        );
        check(
            people,
            &[
                (r#"{"first":["Anna"]}"#, true),
                (r#"{"first":["Nobody"]}"#, false),
            ],
        );
    }
    // One item must match: one without the field does.
    check(
        r#"{"items":[{"a":1},{"b":2}]}"#,
        &[(r#"{"items":{"a":[{"exists":false}]}}"#, true)],
    );
    check(
        r#"{"items":[{"a":1},{"a":2}]}"#,
        &[(r#"{"items":{"a":[{"exists":false}]}}"#, false)],
    );
    check(
        r#"{"items":["a",{"a":1}]}"#,
        &[(r#"{"items":{"a":[{"exists":false}]}}"#, false)],
    );
}

#[test]
fn or_is_one_of_several_patterns() {
    let normal = r#"{"source":["watch"],"$or":[{"metric":["cpu","read"]},{"space":["ec2","es"]}]}"#;
    for (data, expected) in [
        (r#"{"source":"watch","metric":"cpu"}"#, true),
        (r#"{"source":"watch","space":"es"}"#, true),
        (r#"{"source":"watch","metric":"x","space":"ec2"}"#, true),
        (r#"{"source":"watch","metric":"x"}"#, false),
        (r#"{"source":"x","metric":"cpu"}"#, false),
    ] {
        check(data, &[(normal, expected)]);
    }
    let parallel = r#"{"$or":[{"metric":["cpu"]},{"space":["es"]}],"detail":{"$or":[{"source":["a"]},{"kind":["b"]}]}}"#;
    for (data, expected) in [
        (r#"{"metric":"cpu","detail":{"kind":"b"}}"#, true),
        (r#"{"space":"es","detail":{"source":"a"}}"#, true),
        (r#"{"metric":"cpu","detail":{"kind":"a"}}"#, false),
        (r#"{"metric":"cpu"}"#, false),
    ] {
        check(data, &[(parallel, expected)]);
    }
    let nested = r#"{"source":["watch"],"$or":[{"metric":["cpu"]},
        {"type":["t"],"space":["es"],"$or":[{"id":[1234]},{"place":[1000]}]},{"scope":["s"]}]}"#;
    for (data, expected) in [
        (
            r#"{"source":"watch","type":"t","space":"es","place":1000}"#,
            true,
        ),
        (
            r#"{"source":"watch","type":"t","space":"es","place":1}"#,
            false,
        ),
        (r#"{"source":"watch","type":"t","place":1000}"#, false),
        (r#"{"source":"watch","scope":"s"}"#, true),
        (r#"{"source":"x","scope":"s"}"#, false),
    ] {
        check(data, &[(nested, expected)]);
    }
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
