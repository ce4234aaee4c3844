//! What a call of a function costs at most, and how large its result may be
//! (<https://github.com/kubernetes/apiserver/blob/master/pkg/cel/library/cost.go>).

use kube_cel::cel::common::ast::operators;

use super::bounds::Sort;
use super::estimate::{Node, Shape, Size};
use super::{LETTER, NEW_LIST, PATTERN, scaled};

/// The longest expression of a format with a name.
const LONGEST_FORMAT: f64 = 128.0;
/// The most bytes of an address.
const ADDRESS: Size = Size { least: 4, most: 16 };

/// What a call costs beside its arguments, and what it gives.
pub(super) struct Called<'b> {
    pub(super) cost: u64,
    pub(super) shape: Shape<'b>,
    pub(super) size: Option<Size>,
}

impl<'b> Called<'b> {
    /// A number, a truth, or something of which nothing is known.
    fn plain(cost: u64) -> Self {
        Self { cost, shape: Shape::Unknown, size: None }
    }

    fn text(cost: u64, size: Size) -> Self {
        Self { cost, shape: Shape::Text, size: Some(size) }
    }

    /// A text of which nobody knows how long it is.
    fn some_text(cost: u64) -> Self {
        Self { cost, shape: Shape::Text, size: None }
    }

    fn texts(cost: u64, size: Size) -> Self {
        Self { cost, shape: Shape::List(Box::new(Shape::Text)), size: Some(size) }
    }

    /// A new list, which is made by so many units an item.
    fn list(of: &Node<'b>, each: f64, size: Size) -> Self {
        let cost = size.scaled(each).saturating_add(1 + NEW_LIST);
        Self { cost, shape: Shape::List(Box::new(of.shape.element())), size: Some(size) }
    }
}

/// What calling a function costs at most. Operators are functions, too.
pub(super) fn estimate<'b>(name: &str, target: Option<&Node<'b>>, args: &[Node<'b>]) -> Called<'b> {
    match (name, target, args) {
        (operators::EQUALS | operators::NOT_EQUALS, _, [left, right]) => Called::plain(comparison(left, right)),
        (
            operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
            _,
            [left, right],
        ) => Called::plain(order(left, right)),
        (operators::ADD, _, [left, right]) => sum(left, right),
        (operators::IN, _, [_, of]) if of.shape.sort() == Sort::List => Called::plain(of.size().most),
        ("startsWith" | "endsWith", Some(_), [part]) => Called::plain(part.size().scaled(LETTER)),
        ("contains", Some(of), [part]) => {
            Called::plain(of.size().scaled(LETTER).saturating_mul(part.size().scaled(LETTER)))
        }
        ("matches", Some(of), [pattern]) => Called::plain(matching(of, pattern)),
        ("matches", None, [of, pattern]) => Called::plain(matching(of, pattern)),
        ("find", Some(of), [pattern, ..]) => Called::text(matching(of, pattern), Size::at_most(of.size().most)),
        ("findAll", Some(of), [pattern, ..]) => Called::texts(matching(of, pattern), Size::at_most(of.size().most)),
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes", Some(of), _) => {
            Called::plain(search(of))
        }
        (
            "url" | "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver",
            _,
            [of, ..],
        ) => Called::plain(of.size().scaled(LETTER)),
        ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(of), _) => {
            Called::text(of.size().scaled(LETTER), of.size())
        }
        ("jsonpatch.escapeKey", None, [of]) => Called::text(of.size().scaled(LETTER), of.size()),
        ("replace", Some(of), [from, to, ..]) => {
            Called::text(of.size().scaled(2.0 * LETTER), replaced(of.size(), from.size(), to.size()))
        }
        ("split", Some(of), [_, most @ ..]) => {
            let most = most.first().and_then(|most| u64::try_from(most.number?).ok());
            Called::texts(of.size().scaled(2.0 * LETTER), Size::at_most(most.unwrap_or(of.size().most)))
        }
        ("join", Some(of), separators) => {
            let size = joined(of, separators.first());
            Called::text(size.scaled(LETTER), size)
        }
        ("ip.isCanonical", None, [of]) => Called::plain(of.size().scaled(2.0 * LETTER)),
        ("containsIP", Some(_), [of, ..]) => {
            let compared = ADDRESS.plus(ADDRESS).scaled(LETTER);
            Called::plain(compared.saturating_add(parsed(of)))
        }
        ("containsCIDR", Some(_), [of, ..]) => {
            let compared = ADDRESS.plus(ADDRESS).scaled(LETTER) + ADDRESS.scaled(LETTER) + 1;
            Called::plain(compared.saturating_add(parsed(of)))
        }
        ("validate", Some(_), [of, ..]) => Called::plain(scaled(of.size().scaled(LETTER), LONGEST_FORMAT * PATTERN)),
        ("string", None, [of]) if of.shape.sort() == Sort::Bytes => {
            let size = of.size();
            Called::text(size.scaled(LETTER), Size { least: size.least / 4, most: size.most })
        }
        ("string", ..) => Called::some_text(1),
        ("bytes", None, [of]) if of.shape.sort() == Sort::Text => {
            let Size { least, most } = of.size();
            let size = Size { least, most: most.saturating_mul(4) };
            Called { cost: of.size().scaled(LETTER), shape: Shape::Bytes, size: Some(size) }
        }
        ("strings.quote", None, [of]) => {
            let around = Size::exactly(2);
            let size = Size { least: of.size().least, most: of.size().most.saturating_mul(2) }.plus(around);
            Called::text(of.size().scaled(LETTER), size)
        }
        ("format", Some(of), _) => Called::some_text(of.size().scaled(LETTER)),
        ("slice", Some(of), [start, end]) => {
            let whole = |node: &Node<'_>| node.number.and_then(|number| u64::try_from(number).ok());
            let end = whole(end).unwrap_or(of.size().most);
            Called::list(of, 1.0, Size::exactly(end.saturating_sub(whole(start).unwrap_or_default())))
        }
        ("flatten", Some(of), depth) => {
            let depth = depth.first().map_or(1, |depth| depth.number.map_or(u64::MAX, |number| number.unsigned_abs()));
            let cost = of.size().most.saturating_mul(depth).saturating_add(1 + NEW_LIST);
            Called { cost, shape: Shape::List(Box::new(of.shape.element().element())), size: Some(of.size()) }
        }
        ("lists.range", None, [most]) => {
            let most = most.number.map_or(u64::MAX, |number| u64::try_from(number).unwrap_or_default());
            let size = Size::exactly(most);
            Called { shape: Shape::List(Box::new(Shape::Scalar)), ..Called::list(&args[0], 1.0, size) }
        }
        ("reverse", Some(of), []) if of.shape.sort() == Sort::List => Called::list(of, 1.0, of.size()),
        ("distinct", Some(of), []) => Called::list(of, 2.0, of.size().times(of.size())),
        ("sort", Some(of), []) => {
            let is_text = matches!(of.shape.element().sort(), Sort::Text | Sort::Bytes);
            Called::list(of, if is_text { 2.0 + LETTER } else { 2.0 }, of.size().times(of.size()))
        }
        ("sets.contains" | "sets.intersects", None, [left, right]) => {
            Called::plain(left.size().times(right.size()).most.saturating_add(1))
        }
        ("sets.equivalent", None, [left, right]) => {
            Called::plain(left.size().times(right.size()).scaled(2.0).saturating_add(1))
        }
        // What an optional value has is what it is made of.
        ("value" | "or" | "orValue", Some(of), _) => Called { shape: of.shape.clone(), ..Called::plain(1) },
        ("optional.of" | "optional.ofNonZeroValue", None, [of]) => {
            Called { shape: of.shape.clone(), ..Called::plain(1) }
        }
        _ => Called::plain(1),
    }
}

/// Values are compared as far as the smaller one goes.
fn comparison(left: &Node<'_>, right: &Node<'_>) -> u64 {
    scaled(left.size().most.min(right.size().most), LETTER)
}

fn order(left: &Node<'_>, right: &Node<'_>) -> u64 {
    let sorts = [left.shape.sort(), right.shape.sort()];
    if sorts.contains(&Sort::Any) {
        comparison(left, right).max(1)
    } else if sorts.contains(&Sort::Text) || sorts.contains(&Sort::Bytes) {
        comparison(left, right)
    } else {
        1
    }
}

fn sum<'b>(left: &Node<'b>, right: &Node<'b>) -> Called<'b> {
    let sorts = [left.shape.sort(), right.shape.sort()];
    let size = left.size().plus(right.size());
    if sorts.contains(&Sort::Text) {
        Called::text(size.scaled(LETTER), size)
    } else if sorts.contains(&Sort::Bytes) {
        Called { cost: size.scaled(LETTER), shape: Shape::Bytes, size: Some(size) }
    } else {
        Called::plain(1)
    }
}

/// A text is looked through by an expression. Neither costs nothing because it is empty.
fn matching(of: &Node<'_>, pattern: &Node<'_>) -> u64 {
    of.size().plus(Size::exactly(1)).scaled(LETTER).saturating_mul(pattern.size().scaled(PATTERN))
}

/// Each item of a list, or each letter of a text, is looked at.
fn search(of: &Node<'_>) -> u64 {
    if of.shape.sort() != Sort::List {
        return of.size().scaled(LETTER);
    }
    let each = match of.shape.element().sort() {
        Sort::Text | Sort::Bytes => of.item().scaled(LETTER).saturating_add(1),
        _ => 1,
    };
    of.size().most.saturating_mul(each)
}

/// An address that is a text is read first.
fn parsed(of: &Node<'_>) -> u64 {
    if of.shape.sort() == Sort::Text { of.size().scaled(LETTER) } else { 0 }
}

/// The size of a text of which parts are replaced.
fn replaced(of: Size, from: Size, to: Size) -> Size {
    // Between all letters stands what is empty.
    let most = if from.least == 0 {
        of.most.saturating_add(1).saturating_mul(to.most).saturating_add(of.most)
    } else if to.most <= from.least {
        of.most
    } else {
        of.most.div_ceil(from.least).saturating_mul(to.most)
    };
    let least = if from.most == 0 {
        of.least.saturating_add(1).saturating_mul(to.least).saturating_add(of.least)
    } else if from.most <= to.least {
        of.least
    } else {
        of.least.div_ceil(from.most).saturating_mul(to.least)
    };
    Size { least, most }
}

/// The size of a text that is made of those of a list.
fn joined(of: &Node<'_>, separator: Option<&Node<'_>>) -> Size {
    let count = of.size();
    let parts = if of.shape.sort() == Sort::List { count.times(of.item()) } else { Size::exactly(0) };
    let between = Size { least: count.least.saturating_sub(1), most: count.most.saturating_sub(1) };
    separator.map_or(parts, |separator| parts.plus(separator.size().times(between)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_may_grow() {
        let size = |least, most| Size { least, most };
        assert_eq!(replaced(size(0, 10), size(0, 2), size(0, 4)), size(0, 54));
        assert_eq!(replaced(size(2, 10), size(1, 1), size(1, 1)), size(2, 10));
        assert_eq!(replaced(size(0, 10), size(3, 3), size(5, 5)), size(0, 20));
    }
}
