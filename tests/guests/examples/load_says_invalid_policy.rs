//! Refuses every policy. The host must not evaluate with a module that has not
//! taken the policy.

use test_guests::{LoadError, Module, guest};

struct Guest;

impl Module for Guest {
    fn load(_: String, _: Option<String>) -> Result<(), LoadError> {
        Err(LoadError::InvalidPolicy("refused by the test guest".to_owned()))
    }
}

guest!(Guest);
