//! The faults of patterns, and their places.

use super::*;

/// Returns the places of the faults, and what is said of the first.
fn faults(pattern: &str) -> (Vec<String>, String) {
    let faults = EventPattern::parse(pattern).unwrap_err();
    let step = |step: &PatternStep| match step {
        PatternStep::Member(name) => name.clone(),
        PatternStep::Item(at) => at.to_string(),
    };
    let place = |fault: &PatternFault| {
        let steps: Vec<_> = fault.place.iter().map(step).collect();
        steps.join(".")
    };
    let places = faults.iter().map(place).collect();
    (places, faults[0].expected.clone().into_owned())
}

/// Patterns, the places of their only faults, and a part of what is said of them.
const FAULTS: &[(&str, &str, &str)] = &[
    ("5", "", "should be an object"),
    ("[]", "", "should be an object"),
    ("{", "", "should be JSON"),
    (r#"{"date":{"a":[1]}}"#, "date", "no such member"),
    (r#"{"data":5}"#, "data", "put a single value into a list"),
    (
        r#"{"data":{"a":"x"}}"#,
        "data.a",
        "put a single value into a list",
    ),
    (
        r#"{"data":{"a":null}}"#,
        "data.a",
        "put a single value into a list",
    ),
    (r#"{"data":{}}"#, "data", "should have a member"),
    (r#"{"data":{"a":{}}}"#, "data.a", "should have a member"),
    (r#"{"data":{"a":[]}}"#, "data.a", "at least one"),
    (r#"{"data":{"a":[["x"]]}}"#, "data.a.0", "no list"),
    (r#"{"data":{"a":[1,{}]}}"#, "data.a.1", "exactly one member"),
    (
        r#"{"data":{"a":[{"prefix":"a","suffix":"b"}]}}"#,
        "data.a.0",
        "exactly one member",
    ),
    (
        r#"{"data":{"a":[{"regex":"a"}]}}"#,
        "data.a.0.regex",
        "one of prefix",
    ),
    (
        r#"{"data":{"a":["x",{"prefix":5}]}}"#,
        "data.a.1.prefix",
        "`prefix` should be a text",
    ),
    (
        r#"{"data":{"a":[{"suffix":["a"]}]}}"#,
        "data.a.0.suffix",
        "should be a text",
    ),
    (
        r#"{"data":{"a":[{"equals-ignore-case":null}]}}"#,
        "data.a.0.equals-ignore-case",
        "should be a text",
    ),
    (
        r#"{"data":{"a":[{"wildcard":"a**"}]}}"#,
        "data.a.0.wildcard",
        "no two stars",
    ),
    (
        r#"{"data":{"a":[{"wildcard":"a\\b"}]}}"#,
        "data.a.0.wildcard",
        "a backslash",
    ),
    (
        r#"{"data":{"a":[{"anything-but":[]}]}}"#,
        "data.a.0.anything-but",
        "at least one value",
    ),
    (
        r#"{"data":{"a":[{"anything-but":["a",["b"]]}]}}"#,
        "data.a.0.anything-but.1",
        "a value should be",
    ),
    (
        r#"{"data":{"a":[{"anything-but":{}}]}}"#,
        "data.a.0.anything-but",
        "one member",
    ),
    (
        r#"{"data":{"a":[{"anything-but":{"numeric":["<",1]}}]}}"#,
        "data.a.0.anything-but.numeric",
        "one of prefix",
    ),
    (
        r#"{"data":{"a":[{"anything-but":{"prefix":[]}}]}}"#,
        "data.a.0.anything-but.prefix",
        "at least one",
    ),
    (
        r#"{"data":{"a":[{"anything-but":{"prefix":["a",1]}}]}}"#,
        "data.a.0.anything-but.prefix.1",
        "a text",
    ),
    (
        r#"{"data":{"a":[{"anything-but":{"wildcard":"**"}}]}}"#,
        "data.a.0.anything-but.wildcard",
        "no two stars",
    ),
    (
        r#"{"data":{"a":[{"numeric":5}]}}"#,
        "data.a.0.numeric",
        "a list of a comparison",
    ),
    (
        r#"{"data":{"a":[{"numeric":["<",1,">"]}]}}"#,
        "data.a.0.numeric",
        "a list of a comparison",
    ),
    (
        r#"{"data":{"a":[{"numeric":["<",1,">",2,"=",3]}]}}"#,
        "data.a.0.numeric",
        "a list of a comparison",
    ),
    (
        r#"{"data":{"a":[{"numeric":["!=",1]}]}}"#,
        "data.a.0.numeric.0",
        "one of = < <= > >=",
    ),
    (
        r#"{"data":{"a":[{"numeric":[1,2]}]}}"#,
        "data.a.0.numeric.0",
        "one of = < <= > >=",
    ),
    (
        r#"{"data":{"a":[{"numeric":["<",1,">","2"]}]}}"#,
        "data.a.0.numeric.3",
        "should be a number",
    ),
    (
        r#"{"data":{"a":[{"cidr":"10.0.0.0/33"}]}}"#,
        "data.a.0.cidr",
        "a network",
    ),
    (r#"{"data":{"a":[{"cidr":5}]}}"#, "data.a.0.cidr", "a text"),
    (
        r#"{"data":{"a":[{"exists":"yes"}]}}"#,
        "data.a.0.exists",
        "true or false",
    ),
    (
        r#"{"data":{"a":["\ud800"]}}"#,
        "data.a.0",
        "half of a surrogate pair",
    ),
    (r#"{"data":{"a":[1e400]}}"#, "data.a.0", "double precision"),
    (
        r#"{"data":{"a":[{"anything-but":-1e400}]}}"#,
        "data.a.0.anything-but",
        "double precision",
    ),
    (
        r#"{"data":{"a":[{"numeric":["<",1e400]}]}}"#,
        "data.a.0.numeric.1",
        "double precision",
    ),
    (
        r#"{"data":{"\ud800":["a"]}}"#,
        "",
        "half of a surrogate pair",
    ),
    (r#"{"$or":{}}"#, "$or", "at least two"),
    (r#"{"$or":[{"type":["a"]}]}"#, "$or", "at least two"),
    (
        r#"{"$or":[{"type":["a"]},{}]}"#,
        "$or.1",
        "should have a member",
    ),
    (
        r#"{"$or":[{"type":["a"]},"b"]}"#,
        "$or.1",
        "should be an object",
    ),
    (
        r#"{"$or":[{"type":["a"]},{"state":["b"]}]}"#,
        "$or.1.state",
        "no such member",
    ),
    (
        r#"{"data":{"$or":[{"a":["a"]},{"b":"b"}]}}"#,
        "data.$or.1.b",
        "put a single value",
    ),
];

#[test]
fn every_fault_has_its_place() {
    for (pattern, place, expected) in FAULTS {
        let (places, said) = faults(pattern);
        assert_eq!(places, [*place], "{pattern}");
        assert!(said.contains(expected), "{pattern}: {said}");
    }
}

#[test]
fn all_faults_are_reported_but_not_without_end() {
    let (places, _) = faults(r#"{"data":{"a":5,"b":[[],{"x":1}]},"other":[1]}"#);
    assert_eq!(places, ["data.a", "data.b.0", "data.b.1.x", "other"]);
    let many = vec!["[]"; 2000].join(",");
    let (places, _) = faults(&format!(r#"{{"data":{{"a":[{many}]}}}}"#));
    assert_eq!(places.len(), 20);
}

#[test]
fn the_limits_hold() {
    let of_length = |length: usize| {
        let frame = r#"{"data":{"a":[""]}}"#.len();
        format!(r#"{{"data":{{"a":["{}"]}}}}"#, "x".repeat(length - frame))
    };
    assert!(EventPattern::parse(&of_length(8192)).is_ok());
    assert!(faults(&of_length(8193)).1.contains("8192 bytes, not 8193"));

    let with = |candidates: usize| {
        let list = vec!["1"; candidates].join(",");
        format!(r#"{{"type":["a"],"data":{{"a":[{list}]}}}}"#)
    };
    assert!(EventPattern::parse(&with(99)).is_ok());
    let (places, said) = faults(&with(100));
    assert_eq!(places, [""]);
    assert!(said.contains("100 candidates, not 101"), "{said}");

    let deep = |depth: usize| {
        let objects = depth - 1;
        format!(
            "{}[1]{}",
            r#"{"data":"#.repeat(objects),
            "}".repeat(objects)
        )
    };
    assert!(EventPattern::parse(&deep(16)).is_ok());
    assert!(faults(&deep(17)).1.contains("16 deep, not 17"));
    assert!(faults(&"[".repeat(4000)).1.contains("JSON"));
    assert!(
        faults(&format!("{}{}", "[".repeat(4000), "]".repeat(4000)))
            .1
            .contains("deep")
    );
}
