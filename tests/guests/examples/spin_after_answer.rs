//! Answers rightly and then never gives its memory back: it spins in the clean-up
//! that the host calls after it has read the answer. The host must end that like
//! the evaluation itself.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

static ANSWERED: AtomicBool = AtomicBool::new(false);

/// Frees until there is an answer; after that, never comes back.
struct Allocator;

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: it is the system's allocator, but for a call that never returns.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        while ANSWERED.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let decision = decide(request);
        ANSWERED.store(true, Ordering::Relaxed);
        Ok(decision)
    }
}

guest!(Guest);
