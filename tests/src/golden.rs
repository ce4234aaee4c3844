//! Golden files: what must come out, checked in. `UPDATE_GOLDEN=1` writes them anew.

use std::path::Path;

/// The longest pair of texts, in lines multiplied, that is compared line by line; of longer ones, the ends that differ
/// are shown whole.
const MOST_CELLS: usize = 4_000_000;

/// Lines around a difference that are shown too.
const AROUND: usize = 3;

/// Compares with what is checked in; with `UPDATE_GOLDEN=1`, checks it in anew. Gives what differs.
///
/// # Panics
/// When the file cannot be written.
#[must_use]
pub fn golden(file: &Path, found: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, found).unwrap();
        return None;
    }
    // A file that is not there is as good as an empty one: all is new.
    let wanted = std::fs::read_to_string(file).unwrap_or_default();
    (wanted != found).then(|| {
        format!(
            "{} differs (- checked in, + found); if that is right: UPDATE_GOLDEN=1\n{}",
            file.display(),
            difference(&wanted, found)
        )
    })
}

/// Compares the part of a page that is written from code, between the lines `<!-- written from SOURCE: begin -->` and
/// `<!-- end -->`; with `UPDATE_GOLDEN=1`, writes it anew. Gives what differs.
///
/// # Panics
/// When the page has no such part, or cannot be written.
#[must_use]
pub fn golden_part(page: &Path, source: &str, found: &str) -> Option<String> {
    let text = std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let begin = format!("<!-- written from {source}: begin -->\n");
    let from = text.find(&begin).unwrap_or_else(|| panic!("{} has no part from {source}", page.display()));
    let from = from + begin.len();
    let to = text[from..].find("<!-- end -->").unwrap_or_else(|| panic!("{}: the part has no end", page.display()));
    golden(page, &format!("{}{found}{}", &text[..from], &text[from + to..]))
}

/// One line of a comparison.
#[derive(Clone, Copy)]
enum Line<'a> {
    Same(&'a str),
    Wanted(&'a str),
    Found(&'a str),
}

/// The lines that differ, with some around them.
#[must_use]
pub fn difference(wanted: &str, found: &str) -> String {
    let (wanted, found): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), found.lines().collect());
    let lines = compare(&wanted, &found);
    let changed = |index: &usize| !matches!(lines[*index], Line::Same(_));
    let mut text = String::new();
    let mut gap = false;
    for (index, line) in lines.iter().enumerate() {
        let near = index.saturating_sub(AROUND)..(index + AROUND + 1).min(lines.len());
        if !near.into_iter().any(|index| changed(&index)) {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            text.push_str("  …\n");
        }
        let (mark, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Wanted(line) => ('-', line),
            Line::Found(line) => ('+', line),
        };
        text.push_str(&format!("{mark} {line}\n"));
    }
    text
}

/// All lines of both, those that both have once.
fn compare<'a>(wanted: &[&'a str], found: &[&'a str]) -> Vec<Line<'a>> {
    let head = wanted.iter().zip(found).take_while(|(left, right)| left == right).count();
    let (left, right) = (&wanted[head..], &found[head..]);
    let tail = left.iter().rev().zip(right.iter().rev()).take_while(|(left, right)| left == right).count();
    let (left, right) = (&left[..left.len() - tail], &right[..right.len() - tail]);
    let mut lines: Vec<Line<'a>> = wanted[..head].iter().copied().map(Line::Same).collect();
    if left.len() * right.len() > MOST_CELLS {
        lines.extend(left.iter().copied().map(Line::Wanted));
        lines.extend(right.iter().copied().map(Line::Found));
    } else {
        lines.extend(aligned(left, right));
    }
    lines.extend(wanted[wanted.len() - tail..].iter().copied().map(Line::Same));
    lines
}

/// By the longest common subsequence.
fn aligned<'a>(left: &[&'a str], right: &[&'a str]) -> Vec<Line<'a>> {
    // `common[i][j]`: how many lines the rests from `i` and `j` have in common.
    let mut common = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i][j] =
                if left[i] == right[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            lines.push(Line::Same(left[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || (i < left.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(Line::Wanted(left[i]));
            i += 1;
        } else {
            lines.push(Line::Found(right[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_difference_shows_what_changed_and_what_stands_around_it() {
        let wanted = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
        assert_eq!(difference(wanted, "a\nb\nc\nd\nX\nf\ng\nh\ni\n"), "  …\n  b\n  c\n  d\n- e\n+ X\n  f\n  g\n  h\n");
        assert_eq!(difference("", "new\n"), "+ new\n");
        assert_eq!(difference("x\ny\n", "y\nz\n"), "- x\n  y\n+ z\n");
        assert_eq!(difference(wanted, wanted), "");
    }
}
