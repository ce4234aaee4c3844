//! E-mail addresses (RFC 5321 and 5322).

use email_address::{EmailAddress, Options};

use super::function::{Category, Example, Function, Parameter, Type};

const TEXT: Parameter = Parameter::text("text", "An address; white space around it does not matter.");
const WITH_NAME: Parameter = Parameter::text("text", "An address, with or without a name: `Ada <ada@example.org>`.");
const BAD: &str = "NULL for what is not an address.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "is_email",
        category: Category::Email,
        summary: "Whether a text is a bare address with a domain of at least two labels. Nothing is looked up.",
        parameters: &[TEXT],
        returns: Type::Boolean,
        bad_input: "false.",
        examples: &[
            Example::new("is_email('ada@example.org')", "true"),
            Example::new("is_email('ada@localhost')", "false"),
            Example::new("is_email('ada at example.org')", "false"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
            arguments.booleans(|row| Some(EmailAddress::parse_with_options(text.at(row)?.trim(), options).is_ok()))
        },
    },
    Function {
        name: "email_normalize",
        category: Category::Email,
        summary: "The bare address in lower case, for comparing. (By the letter of RFC 5321 the part before `@` may \
                  tell cases apart; no large provider does.)",
        parameters: &[WITH_NAME],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new("email_normalize(' Ada Lovelace <Ada@Example.ORG>')", "ada@example.org"),
            Example::new("email_normalize('nobody')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| Some(address(text.at(row)?)?.email().to_lowercase()))
        },
    },
    Function {
        name: "email_domain",
        category: Category::Email,
        summary: "What stands behind the `@`, in lower case.",
        parameters: &[WITH_NAME],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new("email_domain('ada@Example.org')", "example.org"),
            Example::new("email_domain('ada@')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| Some(address(text.at(row)?)?.domain().to_lowercase()))
        },
    },
    Function {
        name: "email_local_part",
        category: Category::Email,
        summary: "What stands before the `@`, as written.",
        parameters: &[WITH_NAME],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[Example::new("email_local_part('Ada+news@example.org')", "Ada+news")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| Some(address(text.at(row)?)?.local_part().to_owned()))
        },
    },
    Function {
        name: "email_display_name",
        category: Category::Email,
        summary: "The name beside an address.",
        parameters: &[WITH_NAME],
        returns: Type::Text,
        bad_input: "NULL for what is not an address or has no name.",
        examples: &[
            Example::new("email_display_name('Ada Lovelace <ada@example.org>')", "Ada Lovelace"),
            Example::new("email_display_name('ada@example.org')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| {
                let address = address(text.at(row)?)?;
                let name = address.display_part().trim().trim_matches('"');
                (!name.is_empty()).then(|| name.to_owned())
            })
        },
    },
];

fn address(text: &str) -> Option<EmailAddress> {
    EmailAddress::parse_with_options(text.trim(), Options::default()).ok()
}
