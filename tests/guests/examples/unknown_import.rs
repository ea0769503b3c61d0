//! Behaves, but imports an interface that is not of WASI 0.2 and reports every
//! target to it. The host must refuse the module when it is loaded, and name the
//! import.

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package acme:telemetry@1.0.0;

            interface sink {
                emit: func(text: string);
            }

            world reporter {
                import sink;
            }
        ",
    });
}

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        bindings::acme::telemetry::sink::emit(request.target.as_deref().unwrap_or_default());
        Ok(decide(request))
    }
}

guest!(Guest);
