//! JSON documents inside text columns, addressed by JSONPath (RFC 9535).

use arrow::array::ArrayRef;
use datafusion_common::Result;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::arguments::{Arguments, Compiled, Texts};
use super::function::{Category, Example, Function, Parameter, Type};

const JSON: Parameter = Parameter::text("json", "A JSON document.");
const PATH: Parameter =
    Parameter::text("path", "A JSONPath (RFC 9535), as `$.user.name` or `$.items[0].price`.").checked(check_path);
const OPTIONAL_PATH: Parameter =
    Parameter::text("path", "A JSONPath (RFC 9535) to the value that is meant; the whole document if left out.")
        .optional()
        .checked(check_path);
const BAD: &str = "NULL for text that is not JSON, and for a path that leads nowhere.";
const BAD_TYPE: &str = "NULL for text that is not JSON, a path that leads nowhere, and a value of another type.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "json_get",
        category: Category::Json,
        summary: "The first value at a path, as JSON: texts keep their quotes, and JSON's null is the text `null`.",
        parameters: &[JSON, PATH],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new(r#"json_get('{"user": {"id": 7, "tags": ["a"]}}', '$.user')"#, r#"{"id":7,"tags":["a"]}"#),
            Example::new(r#"json_get('{"name": "Ada"}', '$.name')"#, r#""Ada""#),
            Example::new("json_get('not json', '$')", "NULL"),
        ],
        compute: |arguments| located(arguments, |value| Some(value.to_string())),
    },
    Function {
        name: "json_get_text",
        category: Category::Json,
        summary: "The first value at a path as text: texts without quotes, anything else as JSON, JSON's null as NULL. \
                  Numbers beyond 64 bits lose digits.",
        parameters: &[JSON, PATH],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new(r#"json_get_text('{"name": "Ada"}', '$.name')"#, "Ada"),
            Example::new(r#"json_get_text('{"items": [{"sku": "x"}, {"sku": "y"}]}', '$.items[-1].sku')"#, "y"),
            Example::new(r#"json_get_text('[{"k": "a", "v": 1}, {"k": "b", "v": 2}]', '$[?@.k == "b"].v')"#, "2"),
            Example::new(r#"json_get_text('{"name": null}', '$.name')"#, "NULL"),
        ],
        compute: |arguments| located(arguments, plain),
    },
    Function {
        name: "json_get_int",
        category: Category::Json,
        summary: "The first value at a path as a whole number.",
        parameters: &[JSON, PATH],
        returns: Type::Integer,
        bad_input: BAD_TYPE,
        examples: &[
            Example::new(r#"json_get_int('{"n": 42}', '$.n')"#, "42"),
            Example::new(r#"json_get_int('{"n": "42"}', '$.n')"#, "NULL"),
        ],
        compute: |arguments| {
            let (json, mut path) = json_and_path(arguments)?;
            arguments.integers(|row| first(json.at(row)?, path.at(row)?)?.as_i64())
        },
    },
    Function {
        name: "json_get_float",
        category: Category::Json,
        summary: "The first value at a path as a floating-point number.",
        parameters: &[JSON, PATH],
        returns: Type::Number,
        bad_input: BAD_TYPE,
        examples: &[
            Example::new(r#"json_get_float('{"price": 9.5}', '$.price')"#, "9.5"),
            Example::new(r#"json_get_float('{"price": true}', '$.price')"#, "NULL"),
        ],
        compute: |arguments| {
            let (json, mut path) = json_and_path(arguments)?;
            arguments.numbers(|row| first(json.at(row)?, path.at(row)?)?.as_f64())
        },
    },
    Function {
        name: "json_get_bool",
        category: Category::Json,
        summary: "The first value at a path as a Boolean.",
        parameters: &[JSON, PATH],
        returns: Type::Boolean,
        bad_input: BAD_TYPE,
        examples: &[
            Example::new(r#"json_get_bool('{"active": true}', '$.active')"#, "true"),
            Example::new(r#"json_get_bool('{"active": 1}', '$.active')"#, "NULL"),
        ],
        compute: |arguments| {
            let (json, mut path) = json_and_path(arguments)?;
            arguments.booleans(|row| first(json.at(row)?, path.at(row)?)?.as_bool())
        },
    },
    Function {
        name: "json_get_all",
        category: Category::Json,
        summary: "All values at a path, as a list of texts (in the way of json_get_text, JSON's null as `null`); \
                  `unnest` makes rows of it.",
        parameters: &[JSON, PATH],
        returns: Type::Texts,
        bad_input: "NULL for text that is not JSON; an empty list for a path that leads nowhere.",
        examples: &[
            Example::new(r#"json_get_all('{"items": [{"sku": "x"}, {"sku": "y"}]}', '$.items[*].sku')"#, "[x, y]"),
            Example::new(r#"json_get_all('{}', '$.items[*].sku')"#, "[]"),
        ],
        compute: |arguments| {
            let (json, mut path) = json_and_path(arguments)?;
            arguments.lists(|row| {
                let (document, path) = (document(json.at(row)?)?, path.at(row)?);
                Some(
                    path.query(&document)
                        .iter()
                        .map(|value| plain(value).unwrap_or_else(|| "null".to_owned()))
                        .collect(),
                )
            })
        },
    },
    Function {
        name: "json_exists",
        category: Category::Json,
        summary: "Whether a path leads to at least one value, be it null.",
        parameters: &[JSON, PATH],
        returns: Type::Boolean,
        bad_input: "NULL for text that is not JSON.",
        examples: &[
            Example::new(r#"json_exists('{"a": null}', '$.a')"#, "true"),
            Example::new(r#"json_exists('{"a": 1}', '$.b')"#, "false"),
            Example::new("json_exists('{', '$.a')", "NULL"),
        ],
        compute: |arguments| {
            let (json, mut path) = json_and_path(arguments)?;
            arguments.booleans(|row| Some(!path.at(row)?.query(&document(json.at(row)?)?).is_empty()))
        },
    },
    Function {
        name: "json_length",
        category: Category::Json,
        summary: "The number of elements of an array or of members of an object.",
        parameters: &[JSON, OPTIONAL_PATH],
        returns: Type::Integer,
        bad_input: BAD_TYPE,
        examples: &[
            Example::new("json_length('[1, 2, 3]')", "3"),
            Example::new(r#"json_length('{"tags": ["a", "b"]}', '$.tags')"#, "2"),
            Example::new("json_length('7')", "NULL"),
        ],
        compute: |arguments| {
            let (json, mut path) = json_and_path(arguments)?;
            arguments.integers(|row| match first(json.at(row)?, path.at(row)?)? {
                Value::Array(items) => i64::try_from(items.len()).ok(),
                Value::Object(members) => i64::try_from(members.len()).ok(),
                _ => None,
            })
        },
    },
    Function {
        name: "json_keys",
        category: Category::Json,
        summary: "The names of an object's members, in the order of the document.",
        parameters: &[JSON, OPTIONAL_PATH],
        returns: Type::Texts,
        bad_input: BAD_TYPE,
        examples: &[
            Example::new(r#"json_keys('{"b": 1, "a": 2}')"#, "[b, a]"),
            Example::new("json_keys('[1]')", "NULL"),
        ],
        compute: |arguments| {
            let (json, mut path) = json_and_path(arguments)?;
            arguments.lists(|row| match first(json.at(row)?, path.at(row)?)? {
                Value::Object(members) => Some(members.into_iter().map(|(key, _)| key).collect()),
                _ => None,
            })
        },
    },
    Function {
        name: "json_type",
        category: Category::Json,
        summary: "What a value is: `object`, `array`, `string`, `number`, `boolean` or `null`.",
        parameters: &[JSON, OPTIONAL_PATH],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new("json_type('[1]')", "array"),
            Example::new(r#"json_type('{"a": null}', '$.a')"#, "null"),
            Example::new(r#"json_type('{"a": null}', '$.b')"#, "NULL"),
        ],
        compute: |arguments| {
            let (json, mut path) = json_and_path(arguments)?;
            arguments.texts(|row| first(json.at(row)?, path.at(row)?).map(|value| kind(&value)))
        },
    },
    Function {
        name: "is_json",
        category: Category::Json,
        summary: "Whether a text is one JSON document (nested at most 128 deep).",
        parameters: &[Parameter::text("text", "Any text.")],
        returns: Type::Boolean,
        bad_input: "false.",
        examples: &[Example::new("is_json('[1, 2]')", "true"), Example::new("is_json('[1, 2')", "false")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.booleans(|row| Some(document(text.at(row)?).is_some()))
        },
    },
    Function {
        name: "json_normalize",
        category: Category::Json,
        summary: "The same document without white space and with members sorted by name, so that equal documents \
                  compare and hash equal.",
        parameters: &[JSON],
        returns: Type::Text,
        bad_input: "NULL for text that is not JSON.",
        examples: &[Example::new(
            r#"json_normalize('{ "b": 1, "a": {"d": 2, "c": 3} }')"#,
            r#"{"a":{"c":3,"d":2},"b":1}"#,
        )],
        compute: |arguments| {
            let json = arguments.text(0)?;
            arguments.texts(|row| {
                let mut document = document(json.at(row)?)?;
                document.sort_all_objects();
                Some(document.to_string())
            })
        },
    },
];

fn check_path(path: &str) -> std::result::Result<(), String> {
    let problem = |error| format!("`{path}` is not a JSONPath ({error}); write `$` and then the way, as `$.user.id`");
    JsonPath::parse(path).map(drop).map_err(problem)
}

fn json_and_path<'a>(arguments: &Arguments<'a>) -> Result<(Texts<'a>, Compiled<'a, JsonPath>)> {
    Ok((arguments.text(0)?, Compiled::new(arguments.text_or(1, "$")?, |path| JsonPath::parse(path).ok())))
}

fn located(arguments: &Arguments<'_>, show: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    let (json, mut path) = json_and_path(arguments)?;
    arguments.texts(|row| show(&first(json.at(row)?, path.at(row)?)?))
}

fn document(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

fn first(json: &str, path: &JsonPath) -> Option<Value> {
    path.query(&document(json)?).first().cloned()
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
