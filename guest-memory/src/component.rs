//! What a component without `std` has to bring along.
#![expect(unsafe_code, reason = "the symbols that a component exports")]

extern crate alloc;

use alloc::alloc::{alloc, realloc};
use core::alloc::Layout;
use core::arch::wasm32::unreachable;
use core::ptr;

use crate::Memory;
use crate::heap::LoadHeap;

#[global_allocator]
static MEMORY: Memory<LoadHeap> = Memory::new(LoadHeap::new());

/// Loads something that is to last, out of the way of what evaluations write: what `load`
/// returns is gathered together. What it was built with is wiped out if `load` leaves
/// nothing of it behind, the texts that it was given included.
///
/// # Errors
/// Those of `load`.
pub fn keep<T: Clone, E>(load: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    MEMORY.keep(load)
}

/// Allocates what the host passes in: the canonical ABI's `cabi_realloc`.
///
/// Without this one the linker takes wasi-libc's, which allocates from the heap
/// of libc; the bindings give that back to [`MEMORY`], which never had it, and
/// both heaps are corrupt from the first call on.
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
    let layout = |size| Layout::from_size_align(size, align).unwrap_or_else(|_| unreachable());
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
        unreachable();
    }
    new
}

/// A panic is a trap, which the host reports as such.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unreachable()
}
