//! Policy modules as files: those who write them, and those who keep and ship them.

mod authors;
