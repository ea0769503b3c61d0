//! Modules as artifacts of the Open Container Initiative: how registries and archives
//! hold them, and how they come from there and go there.
//!
//! A registry is not trusted: what it sends is bounded, counts only with the digest that
//! it was asked by, and is verified by the trust policy before it is kept. What is written
//! here of the distribution specification is what that needs; the HTTP, the formats and the
//! credentials are of crates.

pub mod archive;
pub mod artifact;
mod auth;
mod client;
mod error;
mod patience;
mod reference;
mod transfer;
mod transport;

pub use error::OciError;
pub use patience::Patience;
pub use reference::{Reference, ReferenceError, SCHEME, Version};
pub use transfer::{Pulled, Pushed, kept, pull, push};
