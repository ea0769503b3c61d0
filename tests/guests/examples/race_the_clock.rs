//! Starts a timer of a millisecond and looks again and again whether it is ready: how
//! often it is not would tell how fast the machine is. The clocks stand still, so it must
//! never be, and two evaluations must find the same.

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:clock@1.0.0;

            world racer {
                import wasi:clocks/monotonic-clock@0.2.0;
            }

            package wasi:io@0.2.0 {
                interface poll {
                    resource pollable {
                        ready: func() -> bool;
                        block: func();
                    }
                    poll: func(in: list<borrow<pollable>>) -> list<u32>;
                }
            }

            package wasi:clocks@0.2.0 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.0.{pollable};
                    type instant = u64;
                    type duration = u64;
                    now: func() -> instant;
                    resolution: func() -> duration;
                    subscribe-instant: func(when: instant) -> pollable;
                    subscribe-duration: func(when: duration) -> pollable;
                }
            }
        ",
        generate_all,
    });
}

use bindings::wasi::clocks::monotonic_clock::{subscribe_duration, subscribe_instant};

const LOOKS: usize = 20_000;

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let timer = subscribe_duration(1_000_000);
        let over = (0..LOOKS).filter(|_| timer.ready()).count();
        let zero = if subscribe_instant(0).ready() {
            "is there"
        } else {
            "is to come"
        };
        Ok(Decision {
            reason: format!("{over} of {LOOKS} looks found the millisecond over; the instant zero {zero}"),
            ..decide(request)
        })
    }
}

guest!(Guest);
