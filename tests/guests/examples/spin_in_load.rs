//! Never returns from `load`. The host must refuse the module when the fuel for
//! loading is used up.

use test_guests::{LoadError, Module, guest};

struct Guest;

impl Module for Guest {
    fn load(_: String, _: Option<String>) -> Result<(), LoadError> {
        loop {
            std::hint::spin_loop();
        }
    }
}

guest!(Guest);
