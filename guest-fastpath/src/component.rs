//! The component: the exports of the world `policy-module`, and what a crate
//! without `std` has to bring along.
#![expect(
    unsafe_code,
    unreachable_pub,
    reason = "the exported symbols of the component"
)]

use crate::bindings::exports::cavra::enforcement::evaluator::Guest;
use crate::{Decision, Description, EvaluateError, LoadError, Policy, Request};
use alloc::string::String;
use core::alloc::Layout;
use spin::Mutex;

/// What `load` has loaded.
static LOADED: Mutex<Option<Policy>> = Mutex::new(None);

struct Module;

impl Guest for Module {
    fn describe() -> Description {
        Description {
            name: "cavra-fastpath".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            semantics_version: "1".into(),
        }
    }

    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        let document = Policy::read(&policy)?;
        // The text is as large as the tables; they take its place.
        drop(policy);
        let registry = registry.as_deref().map(Policy::read_registry).transpose()?;
        *LOADED.lock() = Some(Policy::new(document, registry));
        Ok(())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        match &*LOADED.lock() {
            Some(policy) => policy.evaluate(&request),
            None => Err(EvaluateError::NotLoaded),
        }
    }
}

crate::bindings::export!(Module with_types_in crate::bindings);

// A large policy is built in many steps; dlmalloc reuses what each leaves behind,
// where a bump allocator would put it all into the snapshot.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Where the host asks for the memory of what it passes in.
///
/// Without this the linker takes the `cabi_realloc` of wasi-libc, which allocates by
/// libc's `malloc`. The bindings give that memory back to [`ALLOCATOR`], which
/// never had it, and the heap is corrupt from the first call on.
///
/// # Safety
///
/// As for `realloc`: `old` is null, or was given by this function for `old_length` bytes
/// of this alignment.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_length: usize, align: usize, length: usize) -> *mut u8 {
    let (Ok(before), Ok(wanted)) = (
        Layout::from_size_align(old_length, align),
        Layout::from_size_align(length, align),
    ) else {
        core::arch::wasm32::unreachable()
    };
    let memory = match (old_length, length) {
        (0, 0) => core::ptr::without_provenance_mut(align),
        // SAFETY: the size is not zero.
        (0, _) => unsafe { alloc::alloc::alloc(wanted) },
        // SAFETY: the caller vouches for `old`; the canonical ABI never shrinks to nothing.
        _ => unsafe { alloc::alloc::realloc(old, before, length) },
    };
    if memory.is_null() {
        core::arch::wasm32::unreachable()
    }
    memory
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
