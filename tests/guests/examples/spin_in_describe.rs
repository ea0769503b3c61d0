//! Never returns from `describe`. The host must refuse the module when the fuel
//! for loading is used up: what it asks of a module first is metered as well.

use test_guests::{Description, Module, guest};

struct Guest;

impl Module for Guest {
    fn describe() -> Description {
        loop {
            std::hint::spin_loop();
        }
    }
}

guest!(Guest);
