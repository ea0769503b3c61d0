//! The component that the host loads: `cavra:enforcement/evaluator`, with the
//! one policy that an instance holds.
#![expect(unreachable_pub, reason = "the macro that wit-bindgen generates")]
#![expect(
    unsafe_code,
    reason = "the symbols that wit-bindgen generates, the allocation that the canonical ABI asks for, and `Loaded`"
)]

use alloc::alloc::{Layout, alloc, realloc};
use alloc::string::String;
use core::cell::RefCell;
use core::ptr;

use crate::Policy;
use crate::bindings::exports::cavra::enforcement::evaluator::{
    Decision, Description, EvaluateError, Guest, LoadError, Request,
};

/// The version of the decision semantics that this evaluator implements.
const SEMANTICS_VERSION: &str = "1";

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

static LOADED: Loaded = Loaded(RefCell::new(None));

/// What `load` has loaded.
///
/// A `static` must be shareable between threads, and without `std` nothing that
/// is can be replaced without unsafe code, here or in a dependency. This is the
/// least of it: a cell whose borrows are checked, and the promise that there is
/// one thread.
struct Loaded(RefCell<Option<Policy>>);

// SAFETY: without the threads proposal (`atomics`) a component instance has one
// thread, so the cell is never shared between two. With it, this does not apply
// and the static above does not compile.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Sync for Loaded {}

struct Module;

impl Guest for Module {
    fn describe() -> Description {
        Description {
            name: "cavra-reference".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            semantics_version: SEMANTICS_VERSION.into(),
        }
    }

    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        let policy = Policy::load(&policy, registry.as_deref())?;
        LOADED.0.replace(Some(policy));
        Ok(())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        LOADED
            .0
            .borrow()
            .as_ref()
            .ok_or(EvaluateError::NotLoaded)?
            .evaluate(&request)
    }
}

crate::bindings::export!(Module with_types_in crate::bindings);

/// Allocates what the host passes in: the canonical ABI's `cabi_realloc`.
///
/// Without this one the linker takes wasi-libc's, which allocates from the heap
/// of libc; the bindings free with [`ALLOCATOR`], and both heaps are corrupt.
///
/// # Safety
///
/// As the canonical ABI has it: `old` is null and `old_size` 0, or both are of
/// an earlier call with the same `align`, which is a power of two.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
    if new_size == 0 {
        return ptr::without_provenance_mut(align);
    }
    let layout =
        |size| Layout::from_size_align(size, align).unwrap_or_else(|_| core::arch::wasm32::unreachable());
    // SAFETY: `new_size` is not 0 and `layout` has checked it; `old` was
    // allocated here with `old_size` and `align`.
    let new = unsafe {
        let new_layout = layout(new_size);
        if old_size == 0 {
            alloc(new_layout)
        } else {
            realloc(old, layout(old_size), new_size)
        }
    };
    if new.is_null() {
        core::arch::wasm32::unreachable();
    }
    new
}

/// A panic is a trap, which the host reports as such.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
