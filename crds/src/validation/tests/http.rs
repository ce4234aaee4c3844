//! HTTP Connectors.

use super::violations;
use crate::Connector;

#[test]
fn http() {
    let found = violations::<Connector>(
        "Connector",
        r#"
http:
  url: https://me:secret@host
  auth: {apiKey: {name: X Key, value: {secretKey: k}}}
  headers: {Authorization: Bearer x, "bad name": a, X-A: "a\nb"}
  rateLimit: {requestsPerSecond: 0}
  timeout: soon
  retries: 21
  ca: {secretKey: "a/b"}
  endpoints:
    - {name: a, path: v1, query: {from: "${since}", to: "${cursor", ok: "${cursor:-0}"}, body: "{}", records: "$..[", pagination: {page: {parameter: p, size: 10}}, maxPages: 0}
    - {name: a, path: /b, format: {ndjson: {}}, records: $.data, schema: {infer: {}}, pagination: {cursor: {token: next, parameter: ""}}, primaryKey: [id, id]}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.http.url: the address holds a user name or password; take them out, and give them by `secretKey`",
            r"spec.http.auth.apiKey.name: `X Key` is not a name of a header; use letters, digits and `-`, as `X-Tenant`",
            r"spec.http.headers.Authorization: the header Authorization holds a secret; use `auth`, whose values come from the Connector's Secret",
            r"spec.http.headers.X-A: the value cannot stand in a header; use visible characters, in one line",
            r#"spec.http.headers["bad name"]: `bad name` is not a name of a header; use letters, digits and `-`, as `X-Tenant`"#,
            r"spec.http.rateLimit.requestsPerSecond: 0 is out of range; use a number from 1 to 10000",
            r"spec.http.timeout: `soon` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.http.retries: 21 is out of range; use a number from 0 to 20",
            r"spec.http.ca.secretKey: this is not a key of a Secret; name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here",
            r"spec.http.endpoints[0].path: `v1` does not begin with `/`; write `/v1`",
            r"spec.http.endpoints[0].query.from: `${since}` stands for nothing here; use `${cursor}`, or `${cursor:-VALUE}` with the value of the first run",
            r"spec.http.endpoints[0].query.to: `${cursor` is not closed; use `${cursor}`, or `${cursor:-VALUE}` with the value of the first run",
            r"spec.http.endpoints[0].body: the method Get sends no body; set `method: Post`, or leave `body` out",
            r"spec.http.endpoints[0].records: `$..[` is not a JSONPath: must start with lowercase alpha or '_', at character 4; write a path as RFC 9535 has it, as `$.data[*]`",
            r"spec.http.endpoints[0].pagination.page.sizeParameter: nothing carries the page's size; set `sizeParameter` with `size`",
            r"spec.http.endpoints[0].maxPages: 0 is out of range; use 1 or more",
            r"spec.http.endpoints[1].records: `format` says how the answer reads; leave `records` out, or use `format: {json: {records: …}}`",
            r"spec.http.endpoints[1].schema: `format` says how the answer reads; set the schema inside `format`, or leave `format` out",
            r"spec.http.endpoints[1].pagination.cursor: the token of the next page is looked up in a JSON answer, and `format` is ndjson; use `linkHeader`, `page` or `offset`, which work with every format, or ask the API for JSON",
            r"spec.http.endpoints[1].pagination.cursor.token: `next` is not a JSONPath: parser error, at character 1; write a path as RFC 9535 has it, as `$.data[*]`",
            r"spec.http.endpoints[1].pagination.cursor.parameter: the parameter is empty; give the parameter",
            r"spec.http.endpoints[1].primaryKey[1]: the column `id` is already taken by spec.http.endpoints[1].primaryKey[0]; give each column once",
            r"spec.http.endpoints[1].name: the endpoint `a` is already taken by spec.http.endpoints[0].name; give each endpoint once"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
http: {url: host, endpoints: [], auth: {oauth2ClientCredentials: {tokenUrl: "ws://host", clientId: "", clientSecret: {secretKey: s}, scopes: [a, a]}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.http.url: this is not an address: relative URL without a base; write it as `https://host/path`",
            r"spec.http.auth.oauth2ClientCredentials.tokenUrl: the address has the scheme `ws`; begin it with `https://` or `http://`",
            r"spec.http.auth.oauth2ClientCredentials.clientId: the client id is empty; give the client id",
            r"spec.http.auth.oauth2ClientCredentials.scopes[1]: the scope `a` is already taken by spec.http.auth.oauth2ClientCredentials.scopes[0]; give each scope once",
            r"spec.http.endpoints: the list is empty; give at least one endpoint"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
http: {url: "http://host", auth: {basic: {username: "", password: {secretKey: p}}}, endpoints: [{name: a, path: /a, pagination: {offset: {parameter: o, sizeParameter: "", size: 0}}}, {name: b, path: /b, pagination: {page: {parameter: p, sizeParameter: nn}}}, {name: "", path: "", pagination: {nextLink: "$.["}}]}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.http.auth.basic.username: the username is empty; give the username",
            r"spec.http.endpoints[0].pagination.offset.sizeParameter: the parameter is empty; give the parameter",
            r"spec.http.endpoints[0].pagination.offset.size: 0 is out of range; use 1 or more",
            r"spec.http.endpoints[1].pagination.page.size: the page's size is missing; set `size` with `sizeParameter`",
            r"spec.http.endpoints[2].name: the name is empty; give the name",
            r"spec.http.endpoints[2].pagination.nextLink: `$.[` is not a JSONPath: in dot member name, must start with lowercase alpha or '_', at character 3; write a path as RFC 9535 has it, as `$.data[*]`"
        ]
    );
}

#[test]
fn formats_of_an_endpoint() {
    let found = violations::<Connector>(
        "Connector",
        r#"
http:
  url: http://host
  endpoints:
    - {name: a, path: /a, format: {csv: {delimiter: ";;", encoding: latin-99}}, pagination: {nextLink: $.next}}
    - {name: b, path: /b, format: {parquet: {}}, schema: {infer: {}}, pagination: {cursor: {token: $.next, parameter: after}}}
    - {name: c, path: /c, format: {csv: {schema: {columns: []}}}, pagination: {linkHeader: {}}}
    - {name: d, path: /d, format: {ndjson: {compression: gzip}}, pagination: {page: {parameter: p}}}
    - {name: e, path: /e, format: {parquet: {}}, pagination: {offset: {parameter: o, sizeParameter: l, size: 10}}}
    - {name: f, path: /f, format: {json: {records: "$.data[*]", encoding: windows-1252}}, pagination: {nextLink: $.next}}
"#,
    );
    assert_eq!(
        found,
        [
            r#"spec.http.endpoints[0].format.csv.delimiter: ";;" is not one ASCII character; write one character, as `";"`, or `"\t"` for a tab"#,
            r"spec.http.endpoints[0].format.csv.encoding: `latin-99` is not an encoding; use a WHATWG label, as `utf-8`, `windows-1252`, `utf-16le` or `shift_jis`",
            r"spec.http.endpoints[0].pagination.nextLink: the next page's address is looked up in a JSON answer, and `format` is csv; use `linkHeader`, `page` or `offset`, which work with every format, or ask the API for JSON",
            r"spec.http.endpoints[1].schema: `format` says how the answer reads; leave `schema` out: Parquet names its columns and their types",
            r"spec.http.endpoints[1].pagination.cursor: the token of the next page is looked up in a JSON answer, and `format` is parquet; use `linkHeader`, `page` or `offset`, which work with every format, or ask the API for JSON",
            r"spec.http.endpoints[2].format.csv.schema.columns: the list is empty; give at least one column, or `infer: {}`"
        ]
    );
}
