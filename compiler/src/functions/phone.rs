//! Telephone numbers, by the metadata of libphonenumber.

use std::str::FromStr;

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber, Type as Line};

use super::arguments::{Arguments, Compiled, Texts};
use super::function::{Category, Example, Function, Parameter, Type};

const TEXT: Parameter = Parameter::text("text", "A telephone number as people write it.");
const REGION: Parameter = Parameter::text(
    "region",
    "The region of numbers without a country code, as ISO 3166 has it (`DE`). Left out, only numbers with `+` are known.",
)
.optional()
.checked(check_region);
const BAD: &str = "NULL for what is not a valid number of its region.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "phone_e164",
        category: Category::Phone,
        summary: "The number in the one international form, E.164.",
        parameters: &[TEXT, REGION],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new("phone_e164('030 901820', 'DE')", "+4930901820"),
            Example::new("phone_e164('+1 (650) 253-0000')", "+16502530000"),
            Example::new("phone_e164('030 901820')", "NULL"),
            Example::new("phone_e164('call me', 'DE')", "NULL"),
        ],
        compute: |arguments| {
            let mut numbers = Numbers::new(arguments)?;
            arguments.texts(|row| Some(numbers.at(row)?.format().mode(Mode::E164).to_string()))
        },
    },
    Function {
        name: "phone_national",
        category: Category::Phone,
        summary: "The number as people of its own region write it.",
        parameters: &[TEXT, REGION],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new("phone_national('+16502530000')", "(650) 253-0000"),
            Example::new("phone_national('+4930901820')", "030 901820"),
        ],
        compute: |arguments| {
            let mut numbers = Numbers::new(arguments)?;
            arguments.texts(|row| Some(numbers.at(row)?.format().mode(Mode::National).to_string()))
        },
    },
    Function {
        name: "phone_region",
        category: Category::Phone,
        summary: "The region a number belongs to, as ISO 3166 has it.",
        parameters: &[TEXT, REGION],
        returns: Type::Text,
        bad_input: "NULL for what is not a valid number, and for numbers of no region.",
        examples: &[
            Example::new("phone_region('+41 44 668 18 00')", "CH"),
            Example::new("phone_region('650 253 0000', 'US')", "US"),
            Example::new("phone_region('12', 'US')", "NULL"),
        ],
        compute: |arguments| {
            let mut numbers = Numbers::new(arguments)?;
            arguments.texts(|row| numbers.at(row)?.country().id().map(|id| id.as_ref().to_owned()))
        },
    },
    Function {
        name: "phone_country_code",
        category: Category::Phone,
        summary: "The country calling code of a number.",
        parameters: &[TEXT, REGION],
        returns: Type::Integer,
        bad_input: BAD,
        examples: &[Example::new("phone_country_code('+41 44 668 18 00')", "41")],
        compute: |arguments| {
            let mut numbers = Numbers::new(arguments)?;
            arguments.integers(|row| Some(i64::from(numbers.at(row)?.country().code())))
        },
    },
    Function {
        name: "phone_type",
        category: Category::Phone,
        summary: "What kind of line a number is: `mobile`, `fixedLine`, `fixedLineOrMobile`, `tollFree`, \
                  `premiumRate`, `sharedCost`, `voip`, `personal`, `pager`, `uan`, `voicemail` or `other`.",
        parameters: &[TEXT, REGION],
        returns: Type::Text,
        bad_input: BAD,
        examples: &[
            Example::new("phone_type('+41 79 123 45 67')", "mobile"),
            Example::new("phone_type('+1 800 253 0000')", "tollFree"),
        ],
        compute: |arguments| {
            let mut numbers = Numbers::new(arguments)?;
            arguments.texts(|row| Some(line(numbers.at(row)?.number_type(&DATABASE))))
        },
    },
    Function {
        name: "is_phone",
        category: Category::Phone,
        summary: "Whether a text is a valid telephone number of its region.",
        parameters: &[TEXT, REGION],
        returns: Type::Boolean,
        bad_input: "false; NULL for an unknown region in a column.",
        examples: &[Example::new("is_phone('030 901820', 'DE')", "true"), Example::new("is_phone('+49 1')", "false")],
        compute: |arguments| {
            let mut numbers = Numbers::new(arguments)?;
            arguments.booleans(|row| Some(valid(numbers.text.at(row)?, *numbers.region.at(row)?).is_some()))
        },
    },
];

/// The numbers of a call. A region inside is nothing when none was given.
struct Numbers<'a> {
    text: Texts<'a>,
    region: Compiled<'a, Option<Id>>,
}

impl<'a> Numbers<'a> {
    fn new(arguments: &Arguments<'a>) -> datafusion_common::Result<Self> {
        Ok(Self { text: arguments.text(0)?, region: Compiled::new(arguments.text_or(1, "")?, region_of) })
    }

    fn at(&mut self, row: usize) -> Option<PhoneNumber> {
        valid(self.text.at(row)?, *self.region.at(row)?)
    }
}

fn check_region(region: &str) -> Result<(), String> {
    region_of(region).map(drop).ok_or_else(|| format!("`{region}` is not a region; write its ISO 3166 code, as 'DE'"))
}

fn region_of(region: &str) -> Option<Option<Id>> {
    if region.is_empty() { Some(None) } else { Id::from_str(&region.to_ascii_uppercase()).ok().map(Some) }
}

fn valid(text: &str, region: Option<Id>) -> Option<PhoneNumber> {
    phonenumber::parse(region, text.trim()).ok().filter(PhoneNumber::is_valid)
}

fn line(line: Line) -> &'static str {
    match line {
        Line::Mobile => "mobile",
        Line::FixedLine => "fixedLine",
        Line::FixedLineOrMobile => "fixedLineOrMobile",
        Line::TollFree => "tollFree",
        Line::PremiumRate => "premiumRate",
        Line::SharedCost => "sharedCost",
        Line::Voip => "voip",
        Line::PersonalNumber => "personal",
        Line::Pager => "pager",
        Line::Uan => "uan",
        Line::Voicemail => "voicemail",
        _ => "other",
    }
}
