//! Tables of objects, as `kubectl get` shows them: the columns and cells of the API server
//! (<https://github.com/kubernetes/kubernetes/blob/master/pkg/printers/internalversion/printers.go>).

mod age;
mod binding;
mod cell;
mod column;
mod custom;
mod event;
mod job;
mod metadata;
mod node;
mod options;
mod path;
mod pod;
mod printer;
mod quota;
mod simple;

pub use metadata::{metadata, metadata_list, mismatch};
pub use options::{Include, Options};
pub use path::ColumnPath;
pub use printer::Printer;
