//! The header `Accept`, as the API server reads it: not as RFC 9110 has it in every detail
//! (<https://github.com/munnerz/goautoneg>).

/// A form that a client accepts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause<'a> {
    pub(super) main: &'a str,
    pub(super) sub: &'a str,
    pub(super) parameters: Vec<(&'a str, &'a str)>,
    quality: f64,
}

impl Clause<'_> {
    /// Whether a form of that type is one of these.
    pub(super) fn covers(&self, main: &str, sub: &str) -> bool {
        match (self.main, self.sub) {
            ("*", "*") => true,
            (own, "*") => own == main,
            (own, part) => own == main && part == sub,
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    fn before(&self, other: &Self) -> bool {
        self.quality > other.quality || (self.main != "*" && other.main == "*") || (self.sub != "*" && other.sub == "*")
    }
}

/// The forms that a header names, the best first.
pub(super) fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = Vec::new();
    for clause in header.split(',').filter_map(clause) {
        // The order is none that sorts: a clause with a star comes last whatever its quality is. So each is put in place
        // as the API server does it.
        let mut place = clauses.len();
        while place > 0 && clause.before(&clauses[place - 1]) {
            place -= 1;
        }
        clauses.insert(place, clause);
    }
    clauses
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let mut parts = text.split(';');
    let (main, sub) = match parts.next()?.split('/').map(|part| part.trim_matches(' ')).collect::<Vec<_>>()[..] {
        ["*"] | ["*", ""] => ("*", "*"),
        [main, sub] if !sub.is_empty() => (main, sub),
        _ => return None,
    };
    let mut clause = Clause { main, sub, parameters: Vec::new(), quality: 1.0 };
    for part in parts {
        let [name, value] = part.split('=').collect::<Vec<_>>()[..] else { continue };
        let (name, value) = (name.trim_matches(' '), value.trim_matches(' '));
        match name {
            _ if value.is_empty() => {}
            "q" => clause.quality = value.parse().unwrap_or(0.0),
            _ => clause.parameters.push((name, value)),
        }
    }
    Some(clause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(header: &str) -> Vec<String> {
        clauses(header).iter().map(|clause| format!("{}/{}", clause.main, clause.sub)).collect()
    }

    #[test]
    fn the_best_form_comes_first() {
        assert_eq!(order("a/b, c/d"), ["a/b", "c/d"]);
        assert_eq!(order("a/b;q=0.5, c/d"), ["c/d", "a/b"]);
        assert_eq!(order("*/*, a/*, a/b"), ["a/b", "a/*", "*/*"]);
        assert_eq!(order("*"), ["*/*"]);
        assert_eq!(order("a, b/c/d, e/, f/g"), ["f/g"]);
        assert!(order("").is_empty());
    }

    #[test]
    fn parameters_are_kept() {
        let clauses = clauses("application/json;as=Table; v=v1 ;g=meta.k8s.io;x;y=");
        assert_eq!(clauses[0].parameter("as"), Some("Table"));
        assert_eq!(clauses[0].parameter("v"), Some("v1"));
        assert_eq!(clauses[0].parameter("x"), None);
        assert_eq!(clauses[0].parameter("y"), None);
        assert!(clauses[0].covers("application", "json") && !clauses[0].covers("application", "yaml"));
    }
}
