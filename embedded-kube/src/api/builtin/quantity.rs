//! Quantities in the one form in which the API server writes them.

use rust_decimal::Decimal;

use crate::node::quantity;

const WRONG: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const WRONG_NUMBER: &str = "unable to parse numeric part of quantity";
const WRONG_SUFFIX: &str = "unable to parse quantity's suffix";

/// The quantity in its one form: `0.5` is `500m`, `1024Mi` is `1Gi`.
pub(crate) fn canonical(text: &str) -> Result<String, &'static str> {
    let value = parse(text)?;
    if value.is_zero() {
        return Ok("0".to_owned());
    }
    let binary = text.ends_with('i') && value.abs() >= Decimal::from(1024) && value.fract().is_zero();
    let exponential = text.contains(['e', 'E']) && !text.ends_with('E');
    if binary { Ok(in_binary(value)) } else { Ok(in_decimal(value, exponential)) }
}

/// The value of a quantity.
pub(crate) fn parse(text: &str) -> Result<Decimal, &'static str> {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = number.find(|letter: char| !(letter.is_ascii_digit() || letter == '.')).unwrap_or(number.len());
    let (digits, suffix) = number.split_at(end);
    let allowed = |letter: char| letter.is_ascii_digit() || "eEinumkKMGTP+-".contains(letter);
    if digits.is_empty() || !suffix.chars().all(allowed) {
        return Err(WRONG);
    }
    if digits.matches('.').count() > 1 || digits == "." {
        return Err(WRONG_NUMBER);
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    // Rust's decimals want a digit on both sides.
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    quantity::parse(&format!("{sign}{whole}.{fraction}{suffix}")).ok_or(WRONG_SUFFIX)
}

fn in_binary(value: Decimal) -> String {
    let step = Decimal::from(1024);
    let (mut value, mut power) = (value, 0);
    while power < 6 && (value % step).is_zero() {
        value /= step;
        power += 1;
    }
    let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power];
    format!("{}{suffix}", value.normalize())
}

fn in_decimal(value: Decimal, exponential: bool) -> String {
    let step = Decimal::from(1000);
    let (mut value, mut power) = (value.normalize(), 0);
    while !value.fract().is_zero() && power > -3 {
        value = (value * step).normalize();
        power -= 1;
    }
    // What is finer than a billionth counts as one.
    value = value.round_dp_with_strategy(0, rust_decimal::RoundingStrategy::AwayFromZero);
    while power < 6 && (value % step).is_zero() {
        value = (value / step).normalize();
        power += 1;
    }
    let value = value.normalize();
    match power {
        0 => value.to_string(),
        _ if exponential => format!("{value}e{}", power * 3),
        _ => {
            let suffix = match power {
                -3 => "n",
                -2 => "u",
                -1 => "m",
                1 => "k",
                2 => "M",
                3 => "G",
                4 => "T",
                5 => "P",
                _ => "E",
            };
            format!("{value}{suffix}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_form() {
        for (text, one) in [
            ("0", "0"),
            ("0.0", "0"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1024", "1024"),
            ("1000", "1k"),
            ("0.5Ki", "512"),
            ("2e3", "2e3"),
            ("100000", "100k"),
            ("128974848", "128974848"),
            ("+1.", "1"),
            (".5", "500m"),
            ("-2000m", "-2"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(one), "{text}");
        }
        assert_eq!(canonical("x"), Err(WRONG));
        assert_eq!(canonical(""), Err(WRONG));
        assert_eq!(canonical("1.1.1"), Err(WRONG_NUMBER));
        assert_eq!(canonical("1GiB"), Err(WRONG));
        assert_eq!(canonical("1Mm"), Err(WRONG_SUFFIX));
    }
}
