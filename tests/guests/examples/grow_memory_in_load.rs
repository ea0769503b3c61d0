//! Allocates ever more memory in `load` until the allocator aborts. The limit holds
//! from the first instruction: the host must not evaluate with such a module.

use test_guests::{LoadError, Module, guest};

struct Guest;

impl Module for Guest {
    fn load(_: String, _: Option<String>) -> Result<(), LoadError> {
        // Not written to: filling 64 MiB would use up the fuel first.
        let mut held: Vec<Vec<u8>> = Vec::new();
        loop {
            held.push(Vec::with_capacity(1 << 20));
            std::hint::black_box(&held);
        }
    }
}

guest!(Guest);
