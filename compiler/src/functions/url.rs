//! URLs, by the WHATWG standard, as browsers read them.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::arguments::Arguments;
use super::function::{Category, Example, Function, Parameter, Type};

const TEXT: Parameter = Parameter::text("url", "An absolute URL.");
const BAD: &str = "NULL for what is not an absolute URL.";

/// What RFC 3986 calls unreserved stays; all else is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "is_url",
        category: Category::Url,
        summary: "Whether a text is an absolute URL with a host.",
        parameters: &[Parameter::text("text", "Any text.")],
        returns: Type::Boolean,
        bad_input: "false.",
        examples: &[
            Example::new("is_url('https://example.org/a')", "true"),
            Example::new("is_url('example.org/a')", "false"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.booleans(|row| Some(Url::parse(text.at(row)?).is_ok_and(|url| url.has_host())))
        },
    },
    Function {
        name: "url_scheme",
        category: Category::Url,
        summary: "The scheme, in lower case.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[Example::new("url_scheme('HTTPS://example.org')", "https")],
        compute: |arguments| part(arguments, |url| Some(url.scheme().to_owned())),
    },
    Function {
        name: "url_host",
        category: Category::Url,
        summary: "The host, in lower case and with international names in ASCII.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: "NULL for what is not an absolute URL or has no host.",
        examples: &[
            Example::new("url_host('https://user@Bücher.example:8443/a')", "xn--bcher-kva.example"),
            Example::new("url_host('mailto:ada@example.org')", "NULL"),
        ],
        compute: |arguments| part(arguments, |url| url.host_str().map(str::to_owned)),
    },
    Function {
        name: "url_port",
        category: Category::Url,
        summary: "The port, be it the scheme's own.",
        parameters: &[TEXT],
        returns: Type::Integer,
        bad_input: "NULL for what is not an absolute URL, and for schemes without a port of their own.",
        examples: &[
            Example::new("url_port('https://example.org/')", "443"),
            Example::new("url_port('http://localhost:8080')", "8080"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.integers(|row| Url::parse(text.at(row)?).ok()?.port_or_known_default().map(i64::from))
        },
    },
    Function {
        name: "url_path",
        category: Category::Url,
        summary: "The path, percent-encoded as in the URL.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new("url_path('https://example.org/a/b%20c?q=1')", "/a/b%20c"),
            Example::new("url_path('https://example.org')", "/"),
        ],
        compute: |arguments| part(arguments, |url| Some(url.path().to_owned())),
    },
    Function {
        name: "url_query_parameter",
        category: Category::Url,
        summary: "The first value of a parameter of the query, decoded.",
        parameters: &[TEXT, Parameter::text("name", "The parameter's name, decoded.")],
        returns: Type::Text,
        bad_input: "NULL for what is not an absolute URL or lacks the parameter; one without a value is an empty text.",
        examples: &[
            Example::new("url_query_parameter('https://example.org/?q=a+b&utm_source=mail', 'q')", "a b"),
            Example::new("url_query_parameter('https://example.org/?q=1', 'page')", "NULL"),
        ],
        compute: |arguments| {
            let (text, name) = (arguments.text(0)?, arguments.text(1)?);
            arguments.texts(|row| {
                let (url, name) = (Url::parse(text.at(row)?).ok()?, name.at(row)?);
                url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
            })
        },
    },
    Function {
        name: "url_fragment",
        category: Category::Url,
        summary: "What stands behind the `#`, percent-encoded as in the URL.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: "NULL for what is not an absolute URL or has no fragment.",
        examples: &[Example::new("url_fragment('https://example.org/a#top')", "top")],
        compute: |arguments| part(arguments, |url| url.fragment().map(str::to_owned)),
    },
    Function {
        name: "url_without_query",
        category: Category::Url,
        summary: "The URL without user, query and fragment, normalised: one page, one text.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[Example::new(
            "url_without_query('HTTPS://ada:pw@Example.org:443/a/../b?utm_source=mail#top')",
            "https://example.org/b",
        )],
        compute: |arguments| {
            part(arguments, |mut url| {
                url.set_query(None);
                url.set_fragment(None);
                if !(url.username().is_empty() && url.password().is_none()) {
                    url.set_username("").ok()?;
                    url.set_password(None).ok()?;
                }
                Some(url.into())
            })
        },
    },
    Function {
        name: "url_encode",
        category: Category::Url,
        summary: "Any text, percent-encoded for use inside a URL.",
        parameters: &[Parameter::text("text", "Any text.")],
        returns: Type::Text,
        bad_input: "There is none: any text can be encoded.",
        examples: &[Example::new("url_encode('a b&c=ü')", "a%20b%26c%3D%C3%BC")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| Some(Cow::from(utf8_percent_encode(text.at(row)?, RESERVED))))
        },
    },
    Function {
        name: "url_decode",
        category: Category::Url,
        summary: "A percent-encoded text, decoded; `+` stays.",
        parameters: &[Parameter::text("text", "A percent-encoded text.")],
        returns: Type::Text,
        bad_input: "NULL where the decoded bytes are not UTF-8; a `%` without two digits stays.",
        examples: &[Example::new("url_decode('a%20b%26c')", "a b&c"), Example::new("url_decode('%FF')", "NULL")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| percent_decode_str(text.at(row)?).decode_utf8().ok())
        },
    },
];

fn part(
    arguments: &Arguments<'_>,
    part: fn(Url) -> Option<String>,
) -> datafusion_common::Result<arrow::array::ArrayRef> {
    let text = arguments.text(0)?;
    arguments.texts(|row| part(Url::parse(text.at(row)?).ok()?))
}
