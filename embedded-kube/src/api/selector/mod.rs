//! Which objects a request is about: label selectors and field selectors, in the words of the API server
//! (<https://github.com/kubernetes/apimachinery/tree/master/pkg/labels>,
//! <https://github.com/kubernetes/apimachinery/tree/master/pkg/fields>).
//!
//! kube's own `Selector` makes selectors and matches them, but reads none, and has no `>` and `<`.

mod field;
mod fields;
mod key;
mod label;
mod lexer;
mod object;
mod parse;
mod requirement;

pub use field::FieldSelector;
pub use label::LabelSelector;
pub use requirement::{Operator, Requirement};
