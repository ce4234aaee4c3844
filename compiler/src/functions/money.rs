//! Amounts of money as people write them.

use std::sync::LazyLock;

use iso_currency::Currency;
use regex::{Captures, Regex};

use super::function::{Category, Example, Function, Parameter, Type};
use super::parse::{self, DECIMAL_MARK};

/// Digits after the point of an amount: enough for every currency of ISO 4217.
const SCALE: i8 = 4;

const TEXT: Parameter = Parameter::text("text", "An amount with or without a currency.");

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "money_amount",
        category: Category::Money,
        summary: "The amount, exact. A sign may stand before or after, parentheses mean minus; thousands may be set \
                  apart by `.`, `,`, `'` or a space. Which mark is the decimal one is seen from the amount; where it \
                  reads both ways, as `1,234`, it is NULL unless decimal_mark is given.",
        parameters: &[TEXT, DECIMAL_MARK],
        returns: Type::Decimal(SCALE),
        bad_input: "NULL for what is not one amount, reads both ways, has more than 4 digits after the decimal mark \
                    or more than 34 before it; nothing is rounded.",
        examples: &[
            Example::new("money_amount('€1.234,56')", "1234.5600"),
            Example::new("money_amount('$1,234.56')", "1234.5600"),
            Example::new("money_amount('USD 12')", "12.0000"),
            Example::new("money_amount('(12.00)')", "-12.0000"),
            Example::new("money_amount('1 234 567,8 zł')", "1234567.8000"),
            Example::new("money_amount('1,234')", "NULL"),
            Example::new("money_amount('1,234', '.')", "1234.0000"),
            Example::new("money_amount('12 kg')", "NULL"),
        ],
        compute: |arguments| {
            let (text, mark) = (arguments.text(0)?, arguments.text_or(1, "")?);
            arguments.decimals(SCALE, |row| {
                let (text, mark) = (text.at(row)?, parse::mark(mark.at(row)?)?);
                let money = Money::read(text)?;
                parse::decimal(money.digits, mark, SCALE).map(|amount| if money.negative { -amount } else { amount })
            })
        },
    },
    Function {
        name: "money_currency",
        category: Category::Money,
        summary: "The ISO 4217 code of an amount's currency, from its code or its symbol. Bare symbols mean what \
                  CLDR's English data says: `$` is USD, `£` GBP, `¥` JPY.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: "NULL for what is not one amount, has no currency, or a symbol that several countries use alike (`kr`).",
        examples: &[
            Example::new("money_currency('€1.234,56')", "EUR"),
            Example::new("money_currency('CA$ 12.50')", "CAD"),
            Example::new("money_currency('12 usd')", "USD"),
            Example::new("money_currency('12.50')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| Money::read(text.at(row)?)?.currency.map(|currency| currency.code()))
        },
    },
    Function {
        name: "is_currency_code",
        category: Category::Money,
        summary: "Whether a text is a currency code of ISO 4217, in capitals.",
        parameters: &[Parameter::text("text", "Any text.")],
        returns: Type::Boolean,
        bad_input: "false.",
        examples: &[Example::new("is_currency_code('CHF')", "true"), Example::new("is_currency_code('XYZ')", "false")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.booleans(|row| Some(Currency::from_code(text.at(row)?).is_some()))
        },
    },
    Function {
        name: "currency_digits",
        category: Category::Money,
        summary: "How many digits after the decimal mark a currency has.",
        parameters: &[Parameter::text("code", "A currency code of ISO 4217, in capitals.")],
        returns: Type::Integer,
        bad_input: "NULL for a code that is not known or has no subunit defined (as gold, XAU).",
        examples: &[
            Example::new("currency_digits('EUR')", "2"),
            Example::new("currency_digits('JPY')", "0"),
            Example::new("currency_digits('EURO')", "NULL"),
        ],
        compute: |arguments| {
            let code = arguments.text(0)?;
            arguments.integers(|row| Currency::from_code(code.at(row)?)?.exponent().map(i64::from))
        },
    },
];

/// Symbols of CLDR's English data, and abbreviations that only one currency has. Nothing for those of several.
const SYMBOLS: [(&str, Option<Currency>); 39] = [
    ("$", Some(Currency::USD)),
    ("US$", Some(Currency::USD)),
    ("A$", Some(Currency::AUD)),
    ("AU$", Some(Currency::AUD)),
    ("C$", Some(Currency::CAD)),
    ("CA$", Some(Currency::CAD)),
    ("CN¥", Some(Currency::CNY)),
    ("HK$", Some(Currency::HKD)),
    ("MX$", Some(Currency::MXN)),
    ("NT$", Some(Currency::TWD)),
    ("NZ$", Some(Currency::NZD)),
    ("R$", Some(Currency::BRL)),
    ("S$", Some(Currency::SGD)),
    ("£", Some(Currency::GBP)),
    ("€", Some(Currency::EUR)),
    ("¥", Some(Currency::JPY)),
    ("₡", Some(Currency::CRC)),
    ("₦", Some(Currency::NGN)),
    ("₩", Some(Currency::KRW)),
    ("₪", Some(Currency::ILS)),
    ("₫", Some(Currency::VND)),
    ("₭", Some(Currency::LAK)),
    ("₮", Some(Currency::MNT)),
    ("₱", Some(Currency::PHP)),
    ("₲", Some(Currency::PYG)),
    ("₴", Some(Currency::UAH)),
    ("₵", Some(Currency::GHS)),
    ("₸", Some(Currency::KZT)),
    ("₹", Some(Currency::INR)),
    ("₺", Some(Currency::TRY)),
    ("₼", Some(Currency::AZN)),
    ("₽", Some(Currency::RUB)),
    ("₾", Some(Currency::GEL)),
    ("฿", Some(Currency::THB)),
    ("៛", Some(Currency::KHR)),
    ("zł", Some(Currency::PLN)),
    ("Kč", Some(Currency::CZK)),
    ("Ft", Some(Currency::HUF)),
    ("kr", None),
];

static MONEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let sign = r"([-+−]?)";
    let currency = r"(\p{L}{0,3}\p{Sc}|\p{L}{1,3}\.?)?";
    let digits = r"((?:\d[\d.,'’\s]*)?\d|[.,]\d+)";
    Regex::new(&format!(
        r"^\s*(\()?\s*{sign}\s*{currency}\s*{sign}\s*{digits}\s*{sign}\s*{currency}\s*{sign}\s*(\))?\s*$"
    ))
    .ok()
});

struct Money<'a> {
    negative: bool,
    currency: Option<Currency>,
    digits: &'a str,
}

impl<'a> Money<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let captures = MONEY.as_ref()?.captures(text)?;
        let part = |index| group(&captures, index);
        let signs: Vec<&str> =
            [part(2), part(4), part(6), part(8)].into_iter().filter(|sign| !sign.is_empty()).collect();
        let negative = match (part(1), part(9), signs.as_slice()) {
            ("", "", []) => false,
            ("", "", [sign]) => *sign != "+",
            ("(", ")", []) => true,
            _ => return None,
        };
        let currency = match (part(3), part(7)) {
            ("", "") => None,
            ("", written) | (written, "") => currency_of(written)?,
            (before, after) => {
                // `$12 USD`, `€ 5 EUR`: said twice, but it must be the same.
                let (before, after) = (currency_of(before)?, currency_of(after)?);
                if before != after {
                    return None;
                }
                before
            }
        };
        Some(Self { negative, currency, digits: part(5) })
    }
}

fn group<'a>(captures: &Captures<'a>, index: usize) -> &'a str {
    captures.get(index).map_or("", |group| group.as_str())
}

/// Nothing for what is no currency; nothing inside for a symbol of several.
fn currency_of(written: &str) -> Option<Option<Currency>> {
    let written = written.trim_end_matches('.');
    if let Some((_, currency)) = SYMBOLS.iter().find(|(symbol, _)| *symbol == written) {
        return Some(*currency);
    }
    Currency::from_code(&written.to_ascii_uppercase()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_currencies_stand_where_people_write_them() {
        for (text, wanted) in [
            ("-€12", Some((true, Some(Currency::EUR), "12"))),
            ("€-12", Some((true, Some(Currency::EUR), "12"))),
            ("12-", Some((true, None, "12"))),
            ("12 €-", Some((true, Some(Currency::EUR), "12"))),
            ("−12", Some((true, None, "12"))),
            ("+12", Some((false, None, "12"))),
            ("($1.50)", Some((true, Some(Currency::USD), "1.50"))),
            ("$12 USD", Some((false, Some(Currency::USD), "12"))),
            ("12 Kč", Some((false, Some(Currency::CZK), "12"))),
            ("12 kr.", Some((false, None, "12"))),
            ("Chf\u{a0}1'000", Some((false, Some(Currency::CHF), "1'000"))),
            // Two currencies, two signs, half a bracket, a word that is no currency, two numbers.
            ("$12 EUR", None),
            ("-12-", None),
            ("(-12)", None),
            ("(12", None),
            ("12 xyz", None),
            ("12 and 13", None),
            ("$", None),
            ("", None),
        ] {
            let money = Money::read(text).map(|money| (money.negative, money.currency, money.digits));
            assert_eq!(money, wanted, "{text}");
        }
    }
}
