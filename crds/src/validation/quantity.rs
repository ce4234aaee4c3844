//! Quantities as Kubernetes writes them (`512Mi`, `1500m`), and percentages.

use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use thiserror::Error;

/// Text that is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{text}` is not a quantity: write a number, as `2` or `0.5`, with a unit where it needs one, as `512Mi`, `2Gi` or `500m`"
)]
pub struct InvalidQuantity {
    /// The text.
    pub text: String,
}

/// Text that is not a percentage.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a percentage: write a number from 0 to 100 without a sign, as `0.5`")]
pub struct InvalidPercent {
    /// The text.
    pub text: String,
}

/// The binary suffixes, and the power of 1024 that each multiplies by.
const BINARY: [(&str, u32); 6] = [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];
/// The decimal suffixes, and the power of ten that each multiplies by.
const DECIMAL: [(&str, i32); 9] =
    [("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// Reads a quantity as Kubernetes writes it (`resource.Quantity`), as `512Mi`, `1500m`, `1e3` or `0.5`; never negative.
///
/// # Errors
/// When the text is no quantity, is negative, or is too large for a decimal number of 96 bits.
pub fn parse_quantity(text: &str) -> Result<Decimal, InvalidQuantity> {
    quantity(text)
        .filter(|value| !value.is_sign_negative())
        .map(|value| value.normalize())
        .ok_or_else(|| InvalidQuantity { text: text.to_owned() })
}

fn quantity(text: &str) -> Option<Decimal> {
    for (suffix, power) in BINARY {
        if let Some(number) = text.strip_suffix(suffix) {
            return plain(number)?.checked_mul(Decimal::from(1024_u64.pow(power)));
        }
    }
    for (suffix, power) in DECIMAL {
        if let Some(number) = text.strip_suffix(suffix) {
            let factor = Decimal::from(10_u64.pow(power.unsigned_abs()));
            let number = plain(number)?;
            return if power < 0 { number.checked_div(factor) } else { number.checked_mul(factor) };
        }
    }
    match text.split_once(['e', 'E']) {
        Some((number, _)) => plain(number).and_then(|_| Decimal::from_scientific(text).ok()),
        None => plain(text),
    }
}

/// A number of digits with at most one point: what both Kubernetes and the decimal parser take.
fn plain(number: &str) -> Option<Decimal> {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let points = number.bytes().filter(|byte| *byte == b'.').count();
    (digits > 0 && points <= 1 && digits + points == number.len()).then(|| Decimal::from_str(number).ok()).flatten()
}

/// Reads a quantity of memory as whole bytes, rounded up, as `512Mi`.
///
/// # Errors
/// As [`parse_quantity`], and when there are more bytes than 64 bits count.
pub fn parse_bytes(text: &str) -> Result<u64, InvalidQuantity> {
    parse_quantity(text)?.ceil().to_u64().ok_or_else(|| InvalidQuantity { text: text.to_owned() })
}

/// Reads a percentage, as `0.5`: a number from 0 to 100 without a sign.
///
/// # Errors
/// When the text is no number, or one out of range.
pub fn parse_percent(text: &str) -> Result<f64, InvalidPercent> {
    plain(text)
        .filter(|value| *value <= Decimal::ONE_HUNDRED)
        .and_then(|value| value.to_f64())
        .ok_or_else(|| InvalidPercent { text: text.to_owned() })
}
