//! For those who write policy modules: a project to begin with, what a module is made
//! of, and whether a host would run it and why not.

mod anatomy;
mod check;
mod questions;
mod template;
mod trials;

pub use anatomy::{Anatomy, AnatomyError, MemorySize};
pub use check::{Check, CheckId, CheckStatus, Cost, Given, Report, SCHEMA_VERSION, check, too_large};
pub use questions::{PACKS, Question, QuestionError, built_in, of_cases};
pub use template::{Name, TemplateError, write};
