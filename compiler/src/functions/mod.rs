//! The functions of SQL and mappings: ours, described and computed by one table, beside DataFusion's own. No I/O.
//!
//! A function is one row of a table in the file of its category: its name, what people read about it, its
//! parameters, and how it computes a column. From that row come its typing at planning, its execution, its page in
//! `docs/functions.md` and its tests. Adding one is adding a row.

mod arguments;
mod calendar;
mod description;
mod email;
mod function;
mod geo;
mod hash;
mod json;
mod markdown;
mod money;
mod network;
mod null;
mod parse;
mod phone;
pub mod registry;
mod similarity;
mod text;
mod udf;
mod url;

pub use description::{Description, Kind, describe, descriptions, nearest};
pub use function::{Category, Example, Function, Need, Parameter, Type};
pub use markdown::markdown;
pub use registry::{aggregate_udfs, all, find, higher_order_udfs, names, scalar_udfs, window_udfs};
