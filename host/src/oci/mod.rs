//! Modules as artifacts of the Open Container Initiative: how registries and archives
//! hold them.

pub mod archive;
pub mod artifact;
