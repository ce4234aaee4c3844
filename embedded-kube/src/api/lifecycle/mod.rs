//! What the server itself sees to in an object's metadata, from its making to its going
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/>, `ObjectMeta` of the API reference).

mod create;
mod delete;
mod metadata;
mod update;

pub use create::{begin, generated_name};
pub use delete::{DeleteOptions, Deleted, delete};
pub use update::{Part, Updated, meant, named, update};
