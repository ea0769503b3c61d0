//! Says that it implements version 2 of the decision semantics. The host must
//! refuse the module: its answers would be to other questions.

use test_guests::{Description, Module, description, guest};

struct Guest;

impl Module for Guest {
    fn describe() -> Description {
        Description {
            semantics_version: "2".to_owned(),
            ..description()
        }
    }
}

guest!(Guest);
