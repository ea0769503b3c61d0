//! dlmalloc, over all the memory that there is: it reuses what each step of loading
//! a policy leaves behind, where a bump allocator would put it all into the snapshot.
#![expect(unsafe_code, reason = "the interface of an allocator")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::{Cell, UnsafeCell};
use core::ptr::{null_mut, with_exposed_provenance_mut};

use dlmalloc::{Allocator, Dlmalloc};

use crate::memory::Heap;

/// The size of the arena: what an evaluation of a request of a few KiB needs.
pub(crate) const ARENA: usize = 16 * 1024;
/// How large a memory may become by copying a policy aside: far enough below the default
/// limit. A larger policy stays as it was built.
const COMFORTABLE: usize = 48 * 1024 * 1024;
/// What regions begin at a multiple of.
const ALIGNMENT: usize = 16;
/// What a memory grows by.
const PAGE: usize = 64 * 1024;

unsafe extern "C" {
    /// Where the statics end, by the linker.
    static __heap_base: u8;
}

/// The heap.
pub(crate) struct LoadHeap {
    dlmalloc: UnsafeCell<Dlmalloc<Pages>>,
    /// How many bytes lie between the arena and the heap.
    front: Cell<usize>,
}

impl LoadHeap {
    pub(crate) const fn new() -> Self {
        Self {
            dlmalloc: UnsafeCell::new(heap(0)),
            front: Cell::new(0),
        }
    }

    fn begin(&self) -> usize {
        heap_base().saturating_add(self.front.get())
    }
}

/// A heap without blocks, the memory of which begins there.
const fn heap(begin: usize) -> Dlmalloc<Pages> {
    Dlmalloc::new_with_allocator(Pages {
        next: Cell::new(begin),
    })
}

impl Heap for LoadHeap {
    fn arena(&self) -> Option<(*mut u8, usize)> {
        reach(heap_base()).then(|| (with_exposed_provenance_mut(base()), ARENA))
    }

    fn aside(&self, bytes: usize) -> Option<(*mut u8, usize)> {
        let begin = end();
        let possible = begin.saturating_add(bytes) <= COMFORTABLE && reach(begin.saturating_add(bytes));
        possible.then(|| (with_exposed_provenance_mut(begin), bytes))
    }

    fn front(&self, bytes: usize, aside: *mut u8) -> Option<(*mut u8, usize)> {
        let begin = self.begin();
        let bytes = bytes.next_multiple_of(ALIGNMENT);
        let size = aside.addr().checked_sub(begin).filter(|&size| bytes <= size)?;
        let front: *mut u8 = with_exposed_provenance_mut(begin);
        // SAFETY: everything that was given has come back, so that nothing points in
        // here; nobody else has this memory.
        unsafe {
            front.write_bytes(0, size);
            self.dlmalloc.get().write(heap(end()));
        }
        self.front.set(self.front.get().saturating_add(bytes));
        Some((front, bytes))
    }

    fn reclaim(&self) {
        // SAFETY: as for `front`.
        unsafe { self.dlmalloc.get().write(heap(self.begin())) };
    }
}

// SAFETY: dlmalloc keeps to the rules, and there is one thread.
unsafe impl GlobalAlloc for LoadHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: none of these functions calls another, so the reference is the only one.
        unsafe { (*self.dlmalloc.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe { (*self.dlmalloc.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as for `alloc`; the caller vouches for the block.
        unsafe { (*self.dlmalloc.get()).free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as for `alloc`; the caller vouches for the block.
        unsafe { (*self.dlmalloc.get()).realloc(block, layout.size(), layout.align(), size) }
    }
}

/// Where the heap gets its memory: from its beginning to the end of the page, then page by
/// page. Nobody else asks for memory, because nothing here calls libc's `malloc`.
struct Pages {
    /// Where the heap's next piece begins; 0 if it has none yet.
    next: Cell<usize>,
}

/// The arena's bytes: right behind the statics, with which it shares a page.
fn base() -> usize {
    (&raw const __heap_base).expose_provenance()
}

/// Where the arena ends.
fn heap_base() -> usize {
    base().saturating_add(ARENA).next_multiple_of(ALIGNMENT)
}

/// How many bytes the memory has; it is full at 4 GiB, less a page.
fn end() -> usize {
    memory_size(0).saturating_mul(PAGE)
}

/// Whether the memory reaches up to `wanted`, or does now.
fn reach(wanted: usize) -> bool {
    let missing = wanted.saturating_sub(end()).div_ceil(PAGE);
    // A block may not end where addresses do.
    let possible = memory_size(0).saturating_add(missing) < usize::MAX / PAGE;
    possible && (missing == 0 || memory_grow(0, missing) != usize::MAX)
}

// SAFETY: what is handed out belongs to nobody else, and is never taken back but all at once.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let begin = self.next.get().max(heap_base());
        if !reach(begin.saturating_add(size)) {
            return (null_mut(), 0, 0);
        }
        self.next.set(end());
        (with_exposed_provenance_mut(begin), end().saturating_sub(begin), 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}
