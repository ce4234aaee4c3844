//! Lists in pages, and what happens to the objects of a list.

mod events;
mod pages;
#[cfg(test)]
mod tests;

pub use events::{Follow, Selects, Told};
pub use pages::{ListQuery, Page, Pages};
