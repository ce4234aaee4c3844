//! What is compared of an output: everything but what differs from time to time, and how wide columns are.

/// Letters of the chance that the API server puts behind a name.
const CHANCE: &str = "bcdfghjklmnpqrstvwxz2456789";

/// An output, as it is each time.
pub(super) fn steady(text: &str) -> String {
    let text = masked(text, "-FIRE", |rest| shaped(rest, "-00000000-000000-xxxxx"));
    let text = masked(&text, "127.0.0.1:PORT", port);
    let lines = text.lines().map(|line| {
        let next = line.split_whitespace().skip(1).map(Some).chain([None]);
        let words = line.split_whitespace().zip(next).map(|(word, next)| steady_word(word, next));
        words.collect::<Vec<_>>().join(" ")
    });
    // What was cut is the report of a run, which says of itself how long everything took.
    let lines = lines.map(|line| if line.starts_with("{\"") && line.ends_with('…') { "JSON".to_owned() } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// What differs from time to time, as a word for it.
fn steady_word(word: &str, next: Option<&str>) -> String {
    let (before, rest) = word.split_at(word.len() - word.trim_start_matches(['"', '\'', '(', '`']).len());
    let (rest, after) = rest.split_at(rest.trim_end_matches(['"', '\'', ')', '`', ',', ':', ';', '.']).len());
    let is_rule = rest.len() > 1 && rest.bytes().all(|byte| byte == b'-');
    let word = match () {
        () if is_rule => "-".to_owned(),
        () if is_age(rest) || (is_decimal(rest) && next.is_some_and(|next| next.trim_end_matches(',') == "s")) => {
            "AGE".to_owned()
        }
        () if rest.parse::<jiff::Timestamp>().is_ok() => "TIME".to_owned(),
        () if is_uid(rest) => "UID".to_owned(),
        () => without_chance(rest),
    };
    format!("{before}{word}{after}")
}

/// Whether it is a length of time, as `5s`, `1m30s` and `0.2s`.
fn is_age(word: &str) -> bool {
    let units =
        word.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || "mshd".contains(letter));
    units.is_empty() && word.starts_with(|first: char| first.is_ascii_digit()) && word.ends_with(['s', 'm', 'h', 'd'])
}

fn is_decimal(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    word.split_once('.').is_some_and(|(whole, part)| digits(whole) && digits(part))
}

fn is_uid(word: &str) -> bool {
    word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// A name, with a word for the chance at its end: the name of a Pod, or of a run that somebody has made by hand.
fn without_chance(word: &str) -> String {
    match word.rsplit_once('-') {
        Some((name, end)) if end.len() == 5 && end.chars().all(|letter| CHANCE.contains(letter)) => {
            format!("{name}-CHANCE")
        }
        _ => word.to_owned(),
    }
}

/// Puts a word in the place of whatever is found in a text; `length` says how much of the rest that is.
fn masked(text: &str, word: &str, length: impl Fn(&str) -> Option<usize>) -> String {
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let taken = length(rest);
        match taken {
            Some(_) => masked.push_str(word),
            None => masked.push(first),
        }
        rest = &rest[taken.unwrap_or(first.len_utf8())..];
    }
    masked
}

/// How long what stands at the beginning is, if it has that shape: `0` is a digit, and `x` a hexadecimal one.
fn shaped(text: &str, shape: &str) -> Option<usize> {
    let mut letters = text.chars();
    let alike = |wanted: char, found: char| match wanted {
        '0' => found.is_ascii_digit(),
        'x' => found.is_ascii_hexdigit(),
        other => found == other,
    };
    shape.chars().all(|wanted| letters.next().is_some_and(|found| alike(wanted, found))).then_some(shape.len())
}

/// How long an address with a port is that stands at the beginning.
fn port(text: &str) -> Option<usize> {
    let number = text.strip_prefix("127.0.0.1:")?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| text.len() - number.len() + digits)
}

#[test]
fn what_differs_from_time_to_time_has_a_word() {
    for (text, found) in [
        ("flights-20261129-233700-1a2b3   Succeeded   1s", "flights-FIRE Succeeded AGE"),
        ("at https://127.0.0.1:41235, and not 127.0.0.1:", "at https://127.0.0.1:PORT, and not 127.0.0.1:"),
        ("the Pod late-x4m9k, of 2026-11-29T17:45:42Z (5m ago)", "the Pod late-CHANCE, of TIME (AGE ago)"),
        ("90.0 45.0 135 in 0.26 s, worst-days", "90.0 45.0 135 in AGE s, worst-days"),
        ("NODE  OUT\n----  ---\nlate   12", "NODE OUT\n- -\nlate 12"),
    ] {
        assert_eq!(steady(text), found);
    }
}
