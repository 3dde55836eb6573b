//! Facts of the language about absence, arrays and alternatives, from the same sources as [`super::vectors`].

use super::vectors::{MACHINE, check};

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
