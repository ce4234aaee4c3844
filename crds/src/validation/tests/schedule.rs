//! Schedules: when a Pipeline runs.

use super::violations;
use crate::Schedule;

#[test]
fn schedule() {
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: P}
cron: {expressions: ["5 * * *", "0 5 * * * *", "61 * * * *", "* * * * FOO", "5 * * * *", "5 * * * *"], timeZone: Mars/Olympus}
missedRuns: {policy: All}
params: {"a b": x}
successfulRunsHistoryLimit: 1001
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.pipelineRef.name: `P` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.cron.expressions[0]: `5 * * *` is not a cron expression: Pattern must have 5 fields when seconds are disallowed; write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
            r"spec.cron.expressions[1]: `0 5 * * * *` is not a cron expression: Pattern must have 5 fields when seconds are disallowed; write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
            r"spec.cron.expressions[2]: `61 * * * *` is not a cron expression: Number out of bounds; write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
            r"spec.cron.expressions[3]: `* * * * FOO` is not a cron expression: CronPattern contains illegal character 'F' in part 'FOO'; write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
            r"spec.cron.expressions[5]: the expression `5 * * * *` is already taken by spec.cron.expressions[4]; give each expression once",
            r"spec.cron.timeZone: `Mars/Olympus` is not a time zone; use a name of the IANA database, as `Europe/Berlin` or `UTC`",
            r"spec.missedRuns.max: the policy All needs a bound; set the most fires to make up for, as `max: 24`",
            r#"spec.params["a b"]: `a b` cannot name a parameter; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL"#,
            r"spec.successfulRunsHistoryLimit: 1001 is out of range; use a number from 0 to 1000"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
cron: {expressions: []}
missedRuns: {policy: Skip, max: 3, maxAge: "6"}
"#,
    );
    assert_eq!(
        found,
        [
            r#"spec.cron.expressions: the list is empty; give at least one expression, as `"5 * * * *"`"#,
            r"spec.missedRuns.max: `max` is not used by the policy Skip; use the policy All, or leave `max` out",
            r"spec.missedRuns.maxAge: `6` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.missedRuns.maxAge: `maxAge` is not used by the policy Skip; use the policy Latest or All, or leave `maxAge` out"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r"
pipelineRef: {name: p}
interval: {every: 0s}
missedRuns: {policy: All, max: 0}
",
    );
    assert_eq!(
        found,
        [
            r"spec.interval.every: `0s` is too short; use 1s or more",
            r"spec.missedRuns.max: 0 is out of range; use a number from 1 to 1000"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
webhook: {tokenSha256: Hunter2, eventIdHeader: "X Id", params: {a: body.x}}
"#,
    );
    assert_eq!(
        found,
        [
            r#"spec.webhook.tokenSha256: it is not a SHA-256 in small hexadecimal digits; write the 64 digits that `printf %s "$TOKEN" | sha256sum` gives"#,
            r"spec.webhook.eventIdHeader: `X Id` is not a name of a header; use letters, digits and `-`, as `X-Tenant`",
            r"spec.webhook.params.a: `body.x` is not a JSONPath: parser error, at character 1; write a path as RFC 9535 has it, as `$.data[*]`"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
fileArrival: {connector: C, stream: "", interval: 1ms, settle: 1mo}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.fileArrival.connector: `C` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.fileArrival.stream: the glob is empty; use `*` for everything",
            r"spec.fileArrival.interval: `1ms` is too short; use 1s or more",
            r"spec.fileArrival.settle: `1mo` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
kafka: {connector: c, topic: a/b, window: x, params: {"1": "$.a"}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.kafka.topic: `a/b` is not a name of a topic; use at most 249 letters, digits, `-`, `_` and `.`",
            r"spec.kafka.window: `x` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.kafka.params.1: `1` cannot name a parameter; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL"
        ]
    );
    let found = violations::<Schedule>(
        "Schedule",
        r"
pipelineRef: {name: p}
pipelineSucceeded: {name: p}
",
    );
    assert_eq!(
        found,
        [
            r"spec.pipelineSucceeded.name: the Pipeline `p` would wait for its own success; name another Pipeline, or use `interval`"
        ]
    );
}

#[test]
fn jitter_is_for_clocks_and_at_most_a_day() {
    let found = violations::<Schedule>(
        "Schedule",
        r"
pipelineRef: {name: p}
pipelineSucceeded: {name: q}
jitter: 25h
",
    );
    assert_eq!(
        found,
        [
            "spec.jitter: 25h is longer than a day; write at most `24h`",
            "spec.jitter: `jitter` is not used by `pipelineSucceeded`; leave `jitter` out, or use `cron` or `interval`"
        ]
    );
}

#[test]
fn a_backfill_is_for_clocks_and_goes_forward() {
    let found = violations::<Schedule>(
        "Schedule",
        r#"
pipelineRef: {name: p}
pipelineSucceeded: {name: q}
backfill: {from: "2026-01-02T00:00:00Z", to: "2026-01-02T00:00:00Z"}
"#,
    );
    assert_eq!(
        found,
        [
            "spec.backfill: `backfill` is not used by `pipelineSucceeded`; leave `backfill` out, or use `cron` or `interval`",
            "spec.backfill.to: 2026-01-02T00:00:00Z is not after 2026-01-02T00:00:00Z; make `to` later than `from`",
        ]
    );
}

#[test]
fn a_token_is_not_empty() {
    let of = |hash: &str| {
        violations::<Schedule>("Schedule", &format!("pipelineRef: {{name: p}}\nwebhook: {{tokenSha256: \"{hash}\"}}\n"))
    };
    assert_eq!(of("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"), Vec::<String>::new());
    assert_eq!(
        of("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        [
            r#"spec.webhook.tokenSha256: it is the SHA-256 of an empty token; write the 64 digits that `printf %s "$TOKEN" | sha256sum` gives"#
        ]
    );
}
