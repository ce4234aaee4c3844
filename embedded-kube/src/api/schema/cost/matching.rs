//! `matches`, `find` and `findAll`. The interpreter's own make their regular expressions anew each time.

use std::sync::Arc;

use kube_cel::cel::{ExecutionError, FunctionContext, ResolveResult, Value as Cel};
use regex::Regex;

use super::meter::Meter;
use super::{LETTER, PATTERN, amount, scaled};

/// As many states as a class of Unicode has, about.
const CLASS: u64 = 300;

pub(super) fn matches(call: &FunctionContext<'_, '_>, meter: &Meter) -> ResolveResult {
    let (text, expression, _) = given(call, meter)?;
    Ok(Cel::Bool(expression.is_match(&text)))
}

pub(super) fn find(call: &FunctionContext<'_, '_>, meter: &Meter) -> ResolveResult {
    let (text, expression, _) = given(call, meter)?;
    let found = expression.find(&text).map(|found| found.as_str()).unwrap_or_default();
    Ok(Cel::String(Arc::new(found.to_owned())))
}

pub(super) fn find_all(call: &FunctionContext<'_, '_>, meter: &Meter) -> ResolveResult {
    let (text, expression, most) = given(call, meter)?;
    let most = match most {
        // All of them, for less than none.
        Some(Cel::Int(most)) => usize::try_from(most).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let found = expression.find_iter(&text).take(most);
    Ok(Cel::List(Arc::new(found.map(|found| Cel::String(Arc::new(found.as_str().to_owned()))).collect())))
}

/// The text and the expression, paid for, and what else is given.
fn given(call: &FunctionContext<'_, '_>, meter: &Meter) -> Result<(Arc<String>, Regex, Option<Cel>), ExecutionError> {
    let args = call.args.iter().map(|arg| Cel::resolve(arg, call.ptx));
    let mut values = call.this.clone().map(Ok).into_iter().chain(args).collect::<Result<Vec<_>, _>>()?.into_iter();
    let (text, pattern) = match (values.next(), values.next()) {
        (Some(Cel::String(text)), Some(Cel::String(pattern))) => (text, pattern),
        (Some(_), Some(_)) => return Err(ExecutionError::NoSuchOverload),
        _ => return Err(ExecutionError::missing_argument_or_target()),
    };
    let each = scaled(amount(pattern.len()), PATTERN);
    meter.spend(scaled(amount(text.len()).saturating_add(1), LETTER).saturating_mul(each))?;
    let expression = meter.expression(call.name, &pattern)?;
    Ok((text, expression, values.next()))
}

/// About how many states a regular expression has: what is counted (`{61}`) is written out.
pub(super) fn states(pattern: &str) -> u64 {
    // Those of the groups that are open, the innermost last; of the class that is open; of the last part.
    let (mut groups, mut class, mut last) = (vec![0_u64], None, 0_u64);
    let mut letters = pattern.char_indices();
    while let Some((place, letter)) = letters.next() {
        let escaped = if letter == '\\' { letters.next().map(|(_, letter)| letter) } else { None };
        let own = if matches!(escaped, Some('p' | 'P')) { CLASS } else { 1 };
        match (letter, class) {
            (']', Some(states)) => (class, last) = (None, states),
            (_, Some(states)) => {
                class = Some(own.max(states));
                continue;
            }
            ('[', None) => {
                class = Some(1);
                continue;
            }
            ('(', None) => {
                groups.push(0);
                continue;
            }
            (')', None) if groups.len() > 1 => last = groups.pop().unwrap_or_default(),
            ('*' | '+' | '?', None) => continue,
            ('{', None) => {
                if let Some(group) = groups.last_mut() {
                    *group = group.saturating_sub(last);
                }
                last = last.saturating_mul(times(&pattern[place + 1..]));
                letters.by_ref().take_while(|(_, letter)| *letter != '}').for_each(|_| ());
            }
            (_, None) => last = own,
        }
        if let Some(group) = groups.last_mut() {
            *group = group.saturating_add(last);
        }
    }
    groups.into_iter().fold(1, u64::saturating_add)
}

/// How often something is there at most, by what stands behind a `{`: `2}`, `2,}`, `2,5}`.
fn times(behind: &str) -> u64 {
    let counts = behind.split_once('}').map_or("", |(counts, _)| counts);
    counts.rsplit(',').find_map(|count| count.trim().parse().ok()).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_written_out() {
        for (pattern, wanted) in [
            ("abc", 4),
            ("a{5}", 6),
            ("a{2,}b", 4),
            ("a*{3}{2,5}", 16),
            ("(ab){3}c", 8),
            ("((a{10}){10})", 101),
            ("[-a-z(]{3}\\[", 5),
            ("\\p{L}{2}", 601),
            ("[a\\pL]{2}", 601),
            (")", 2),
            ("a{", 2),
        ] {
            assert_eq!(states(pattern), wanted, "{pattern}");
        }
        assert_eq!(states("((((a{9999}){9999}){9999}){9999}){9999}"), u64::MAX);
    }
}
