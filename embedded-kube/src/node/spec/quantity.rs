//! Kubernetes' quantities, such as `500m`, `1.5Gi` and `2e3`.

use rust_decimal::Decimal;

/// The value of a quantity; nothing for what is none, or is too large.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    let end = text.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '+' | '-')));
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let number: Decimal = number.parse().ok()?;
    number.checked_mul(factor(suffix)?)
}

fn factor(suffix: &str) -> Option<Decimal> {
    let decimal = |exponent: i64| {
        let power = Decimal::from(10u64.checked_pow(u32::try_from(exponent.abs()).ok()?)?);
        if exponent < 0 { Decimal::ONE.checked_div(power) } else { Some(power) }
    };
    let binary = |exponent: u32| Some(Decimal::from(1u64 << exponent));
    match suffix {
        "" => Some(Decimal::ONE),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => decimal(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

/// How many whole divisors are in a value, the last one begun counting as whole, as the downward API puts it.
pub(crate) fn in_units(value: Decimal, divisor: Decimal) -> Option<Decimal> {
    Some(value.checked_div(divisor)?.ceil().normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_their_values() {
        for (text, value) in [
            ("0", "0"),
            ("2", "2"),
            ("500m", "0.5"),
            ("1.5Gi", "1610612736"),
            ("2e3", "2000"),
            ("1E3", "1000"),
            ("1E", "1000000000000000000"),
            ("100k", "100000"),
            ("-1", "-1"),
        ] {
            assert_eq!(parse(text), Some(value.parse().unwrap()), "{text}");
        }
        for text in ["", "Gi", "1gi", "1 Gi", "e", "1e99"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_begun_unit_counts() {
        let units = |value, divisor| in_units(parse(value).unwrap(), parse(divisor).unwrap()).unwrap().to_string();
        assert_eq!(units("250m", "1"), "1");
        assert_eq!(units("250m", "1m"), "250");
        assert_eq!(units("64Mi", "1Mi"), "64");
        assert_eq!(units("1500", "1k"), "2");
        assert_eq!(in_units(Decimal::ONE, Decimal::ZERO), None);
    }
}
