//! What is said of kinds and objects, compared with what a real API server says of the same.

mod documents;
mod explain;
mod forms;
mod kinds;
mod real;
mod selectors;
mod tables;
mod watches;
