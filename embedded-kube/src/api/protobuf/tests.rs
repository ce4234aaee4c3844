use serde_json::json;

use super::*;

/// A field of a length.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 128);
    [&[number << 3 | 2, length], content].concat()
}

/// A field that is a number.
fn number(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let types = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
    // What is not encoded says so by an empty text.
    [PREFIX, &bytes(1, &types), &bytes(2, raw), &bytes(3, b""), &bytes(4, b"")].concat()
}

#[test]
fn an_object_is_what_its_fields_say() {
    let pair = |key: &str, value: &[u8]| [bytes(1, key.as_bytes()), bytes(2, value)].concat();
    let metadata =
        [bytes(1, b"x"), bytes(2, b""), bytes(8, b""), bytes(11, &pair("a", b"b")), bytes(11, &pair("c", b""))];
    let raw = [
        bytes(1, &metadata.concat()),
        bytes(2, &pair("key", b"\0\xff")),
        bytes(3, b"Opaque"),
        number(5, 0),
        // A field that nobody knows yet, and one of a type that no field has.
        bytes(15, b"later"),
        vec![14 << 3 | 5, 1, 2, 3, 4],
    ];
    let found = decode(&body("v1", "Secret", &raw.concat())).unwrap();
    let wanted = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "x", "labels": {"a": "b", "c": ""}},
        "data": {"key": "AP8="},
        "type": "Opaque",
        // Presence counts here: `false` is not nothing.
        "immutable": false,
    });
    assert_eq!(found, wanted);
}

#[test]
fn times_numbers_and_lists_are_read() {
    let time = [vec![8, 0x80, 0x80, 0x80, 0x80, 6], number(2, 7)].concat();
    let condition = [bytes(1, b"Complete"), bytes(4, &time)].concat();
    let status = [bytes(1, &condition), bytes(2, b""), number(4, 0)].concat();
    // -1 takes ten bytes; the exit codes come in a row, as newer encoders send them.
    let minus_one = [vec![8], vec![0xff; 9], vec![1]].concat();
    let codes = [bytes(2, b"In"), bytes(3, &[1, 2]), number(3, 3)].concat();
    let rule = [bytes(1, b"Ignore"), bytes(2, &codes)].concat();
    let spec = [minus_one, number(7, 0), bytes(11, &bytes(1, &rule))].concat();
    let found = decode(&body("batch/v1", "Job", &[bytes(2, &spec), bytes(3, &status)].concat())).unwrap();
    let wanted = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            "parallelism": -1,
            "backoffLimit": 0,
            "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1, 2, 3]}}]},
        },
        "status": {"conditions": [{"type": "Complete", "lastTransitionTime": "2021-01-14T08:25:36Z"}]},
    });
    assert_eq!(found, wanted);
}

#[test]
fn what_is_no_such_body_is_refused() {
    let refused = |body: &[u8]| {
        let refusal = decode(body).unwrap_err().refusal();
        (refusal.reason.code(), refusal.message)
    };
    let prefix = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
    assert_eq!(refused(b""), (400, "empty data".to_owned()));
    assert_eq!(refused(b"{}"), (400, prefix.to_owned()));
    assert_eq!(refused(b"k8s\0"), (400, "empty body".to_owned()));
    let types = "the body of the request was in an unknown format - accepted media types include: application/json, \
                 application/yaml";
    assert_eq!(refused(&body("v1", "Pod", b"")), (415, types.to_owned()));
    assert_eq!(refused(&body("v2", "Secret", b"")), (415, types.to_owned()));
    for broken in [&[0x0a][..], &[0x0a, 5, 1], &[0xff; 11], &[3 << 3 | 4], &bytes(1, &bytes(1, b"\xff")), &number(1, 1)]
    {
        assert_eq!(refused(&body("v1", "Secret", broken)).0, 400, "{broken:?}");
    }
}

#[test]
fn a_body_stands_for_no_more_than_it_may() {
    // Two bytes for a subject that has nothing.
    let subjects = [0x12, 0].repeat(600_000);
    let mut length = Vec::new();
    prost::encoding::encode_varint(subjects.len() as u64, &mut length);
    let raw = [&[0x12][..], &length, &subjects].concat();
    let types = [bytes(1, b"rbac.authorization.k8s.io/v1"), bytes(2, b"RoleBinding")].concat();
    let body = [PREFIX, &bytes(1, &types), &raw].concat();
    let error = decode(&body).unwrap_err();
    assert_eq!(error.refusal().reason.code(), 413, "{error}");
}
