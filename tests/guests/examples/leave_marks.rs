//! Looks through all of its memory for marks, then fills as many MiB with them as
//! the target says, beside a few on the heap and among the statics, and tells both
//! counts. The host must give the next request memory without marks, whether it
//! copies pages back or gives them back to the system.

use std::sync::Mutex;

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

/// What a mark is made of. No data of the guest has it twice in a row.
const MARK: u8 = 0xa7;
const MARK_BYTES: usize = 4096;

static STATIC: Mutex<[u8; 2 * MARK_BYTES]> = Mutex::new([0; 2 * MARK_BYTES]);

/// How many pages of all memory are marked somewhere.
#[cfg(target_family = "wasm")]
#[expect(
    unsafe_code,
    reason = "what lies in memory that nobody has allocated is what is looked for"
)]
fn marked() -> usize {
    let bytes = core::arch::wasm32::memory_size(0) * 65_536;
    // The first page is left out: a slice may not begin at the null address.
    // SAFETY: all of it is memory, and nothing writes while this reads.
    let memory = unsafe { core::slice::from_raw_parts(MARK_BYTES as *const u8, bytes - MARK_BYTES) };
    let pages = memory.chunks(MARK_BYTES);
    pages
        .filter(|page| page.windows(64).any(|it| it.iter().all(|byte| *byte == MARK)))
        .count()
}

#[cfg(not(target_family = "wasm"))]
fn marked() -> usize {
    0
}

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let before = marked();
        let mebibytes: usize = request
            .target
            .as_deref()
            .and_then(|target| target.parse().ok())
            .unwrap_or_default();
        // Kept: what is freed may be written over.
        std::mem::forget(vec![MARK; mebibytes << 20]);
        std::mem::forget(vec![MARK; MARK_BYTES]);
        if let Ok(mut text) = STATIC.lock() {
            text.fill(MARK);
        }
        Ok(Decision {
            reason: format!(
                "{before} pages marked before, enough after: {}",
                marked() >= 2 + mebibytes * 256
            ),
            ..decide(request)
        })
    }
}

guest!(Guest);
