//! The allocator: a heap for loading, a region for what is kept, an arena for evaluations.
#![expect(unsafe_code, reason = "the interface of an allocator")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

use crate::arena::Arena;

/// Where small and large things come from while a policy is loaded.
pub trait Heap: GlobalAlloc {
    /// The arena's bytes, if there is memory for them.
    fn arena(&self) -> Option<(*mut u8, usize)>;
    /// This many bytes behind everything else, if that is not too much to ask for. They
    /// are zeros.
    fn aside(&self, bytes: usize) -> Option<(*mut u8, usize)>;
    /// This many bytes where the heap began, everything up to `aside` being wiped out and the heap
    /// beginning behind them. Only called when everything that it gave has come back.
    fn front(&self, bytes: usize, aside: *mut u8) -> Option<(*mut u8, usize)>;
    /// Takes what was aside back, which is zeros. Only called when everything that the heap gave
    /// has come back.
    fn reclaim(&self);
}

/// What is being done, which decides where memory comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A policy is loaded: from the heap.
    Load,
    /// It is copied aside.
    Aside,
    /// It is copied to where it stays.
    Keep,
    /// Requests are judged: from the arena.
    Evaluate,
}

/// A heap, with regions in front of it.
///
/// What these have no room for comes from the heap, so that there is as much
/// memory as the host allows.
pub struct Memory<H> {
    heap: H,
    phase: Cell<Phase>,
    /// How many blocks of the heap are in use.
    blocks: Cell<usize>,
    /// How many bytes they are, each block rounded up.
    bytes: Cell<usize>,
    arena: Arena,
    kept: Arena,
    aside: Arena,
}

/// A multiple of every alignment that is asked for.
const UNIT: usize = 16;

// SAFETY: without the threads proposal (`atomics`) a component instance has one
// thread, so that nothing is ever shared between two.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
unsafe impl<H> Sync for Memory<H> {}

impl<H: Heap> Memory<H> {
    /// A heap with nothing in front of it.
    pub const fn new(heap: H) -> Self {
        Self {
            heap,
            phase: Cell::new(Phase::Load),
            blocks: Cell::new(0),
            bytes: Cell::new(0),
            arena: Arena::new(),
            kept: Arena::new(),
            aside: Arena::new(),
        }
    }

    /// Loads something that is to last, and gathers it together if it is the first thing
    /// that is. Afterwards, if it succeeded, evaluations follow.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn keep<T: Clone, E>(&self, load: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let before = self.phase.replace(Phase::Load);
        let built = load().inspect_err(|_| self.phase.set(before))?;
        let kept = self.gather(built);
        if let Some((base, size)) = self.heap.arena() {
            self.arena.settle(base, size);
        }
        self.phase.set(Phase::Evaluate);
        Ok(kept)
    }

    /// Moves what was built to where the heap began: building it left holes, and remains of
    /// all sorts in them. Pointers cannot be moved, so it is copied twice, aside and back.
    fn gather<T: Clone>(&self, built: T) -> T {
        if self.kept.has_room() {
            return built;
        }
        let Some((aside, room)) = self.heap.aside(self.bytes.get()) else {
            return built;
        };
        self.aside.settle(aside, room);
        self.phase.set(Phase::Aside);
        let copy = built.clone();
        drop(built);
        if self.blocks.get() > 0 {
            return copy;
        }
        let Some((front, size)) = self.heap.front(self.aside.used(), aside) else {
            return copy;
        };
        self.kept.settle(front, size);
        self.phase.set(Phase::Keep);
        let kept = copy.clone();
        drop(copy);
        self.aside.unsettle();
        // SAFETY: these bytes were `aside`'s alone, and nothing is left there.
        unsafe { aside.write_bytes(0, room) };
        if self.blocks.get() == 0 {
            self.heap.reclaim();
        }
        kept
    }

    /// The region that is in use.
    fn front(&self) -> Option<&Arena> {
        match self.phase.get() {
            Phase::Load => None,
            Phase::Aside => Some(&self.aside),
            Phase::Keep => Some(&self.kept),
            Phase::Evaluate => Some(&self.arena),
        }
    }

    /// The region that a block is of; `None`: it is the heap's.
    fn owner(&self, block: *mut u8) -> Option<&Arena> {
        [&self.arena, &self.kept, &self.aside]
            .into_iter()
            .find(|arena| arena.has(block))
    }

    fn take_in_front(&self, layout: Layout) -> Option<*mut u8> {
        self.front().and_then(|arena| arena.take(layout))
    }

    /// Counts a block that the heap gave, if it did.
    fn counted(&self, block: *mut u8, size: usize) -> *mut u8 {
        if !block.is_null() {
            self.blocks.set(self.blocks.get().wrapping_add(1));
            self.bytes.set(self.bytes.get().wrapping_add(rounded(size)));
        }
        block
    }
}

fn rounded(size: usize) -> usize {
    size.saturating_add(UNIT) / UNIT * UNIT
}

// SAFETY: a block is an arena's or the heap's, all keep to the rules, and by its
// address it always goes back to the one that gave it.
unsafe impl<H: Heap> GlobalAlloc for Memory<H> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take_in_front(layout) {
            Some(block) => block,
            // SAFETY: the caller's promise is the heap's condition.
            None => self.counted(unsafe { self.heap.alloc(layout) }, layout.size()),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.take_in_front(layout) {
            Some(block) => {
                // SAFETY: the block has this size. It may have been used before.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            // SAFETY: the caller's promise is the heap's condition.
            None => self.counted(unsafe { self.heap.alloc_zeroed(layout) }, layout.size()),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(arena) = self.owner(block) {
            arena.give_back(block, layout.size());
        } else {
            self.blocks.set(self.blocks.get().wrapping_sub(1));
            self.bytes
                .set(self.bytes.get().wrapping_sub(rounded(layout.size())));
            // SAFETY: what is no arena's is the heap's.
            unsafe { self.heap.dealloc(block, layout) }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(arena) = self.owner(block) else {
            // SAFETY: what is no arena's is the heap's.
            let new = unsafe { self.heap.realloc(block, layout, size) };
            if !new.is_null() {
                let others = self.bytes.get().wrapping_sub(rounded(layout.size()));
                self.bytes.set(others.wrapping_add(rounded(size)));
            }
            return new;
        };
        if arena.resize(block, layout.size(), size) {
            return block;
        }
        // SAFETY: the caller vouches for the size, and for the old block with its layout;
        // the new one is another, and has room for what is copied.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
                arena.give_back(block, layout.size());
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::System;

    /// The machine's heap, with three regions of its own.
    #[derive(Default)]
    struct Machine {
        refuses: bool,
        reclaimed: Cell<u32>,
    }

    impl Machine {
        fn opened() -> Memory<Self> {
            let memory = Memory::new(Self::default());
            memory.keep(|| Ok::<_, ()>(())).unwrap();
            memory
        }
    }

    fn room(bytes: usize) -> Option<(*mut u8, usize)> {
        let units = Box::leak(vec![0_u128; bytes.div_ceil(16)].into_boxed_slice());
        Some((units.as_mut_ptr().cast(), bytes))
    }

    unsafe impl GlobalAlloc for Machine {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            unsafe { System.dealloc(block, layout) }
        }
    }

    impl Heap for Machine {
        fn arena(&self) -> Option<(*mut u8, usize)> {
            room(256)
        }

        fn aside(&self, bytes: usize) -> Option<(*mut u8, usize)> {
            if self.refuses { None } else { room(bytes) }
        }

        fn front(&self, bytes: usize, _: *mut u8) -> Option<(*mut u8, usize)> {
            room(bytes)
        }

        fn reclaim(&self) {
            self.reclaimed.set(self.reclaimed.get() + 1);
        }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 4).unwrap()
    }

    /// Bytes of a memory, which are copied and dropped as a policy is.
    struct Bytes<'m>(&'m Memory<Machine>, *mut u8, usize);

    impl<'m> Bytes<'m> {
        fn new(memory: &'m Memory<Machine>, size: usize) -> Self {
            let block = unsafe { memory.alloc(layout(size)) };
            unsafe { block.write_bytes(size as u8, size) };
            Self(memory, block, size)
        }

        fn hold(&self) -> bool {
            (0..self.2).all(|place| unsafe { self.1.add(place).read() } == self.2 as u8)
        }
    }

    impl Clone for Bytes<'_> {
        fn clone(&self) -> Self {
            Self::new(self.0, self.2)
        }
    }

    impl Drop for Bytes<'_> {
        fn drop(&mut self) {
            unsafe { self.0.dealloc(self.1, layout(self.2)) };
        }
    }

    #[test]
    fn what_is_kept_is_gathered_and_the_rest_is_reclaimed() {
        let memory = Memory::new(Machine::default());
        let text = Bytes::new(&memory, 100);
        assert!(memory.owner(text.1).is_none());
        let kept = memory.keep(|| {
            drop(text);
            Ok::<_, ()>((Bytes::new(&memory, 7), Bytes::new(&memory, 9)))
        });
        let (one, two) = kept.unwrap();
        assert_eq!(two.1.addr() - one.1.addr(), 8);
        assert!(memory.kept.has(one.1) && one.hold() && two.hold());
        assert_eq!((memory.blocks.get(), memory.bytes.get()), (0, 0));
        assert_eq!(memory.heap.reclaimed.get(), 1);
        assert!(memory.arena.has(Bytes::new(&memory, 8).1));
    }

    #[test]
    fn a_heap_in_use_is_not_wiped() {
        let memory = Memory::new(Machine::default());
        let other = Bytes::new(&memory, 8);
        let kept = memory.keep(|| Ok::<_, ()>(Bytes::new(&memory, 8))).unwrap();
        assert_eq!(memory.heap.reclaimed.get(), 0);
        assert!(memory.aside.has(kept.1) && kept.hold() && other.hold());
    }

    #[test]
    fn what_cannot_be_gathered_stays_where_it_is() {
        let memory = Memory::new(Machine {
            refuses: true,
            ..Machine::default()
        });
        let kept = memory.keep(|| Ok::<_, ()>(Bytes::new(&memory, 8))).unwrap();
        assert!(memory.owner(kept.1).is_none() && kept.hold());
    }

    #[test]
    fn a_second_thing_does_not_disturb_the_first() {
        let memory = Memory::new(Machine::default());
        let first = memory.keep(|| Ok::<_, ()>(Bytes::new(&memory, 8))).unwrap();
        let second = memory.keep(|| Ok::<_, ()>(Bytes::new(&memory, 9))).unwrap();
        assert!(first.hold() && second.hold());
        assert!(memory.owner(second.1).is_none());
    }

    #[test]
    fn where_loading_fails_everything_goes_on_as_before() {
        let memory = Memory::new(Machine::default());
        assert!(memory.keep(|| Err::<(), _>(())).is_err());
        assert!(memory.front().is_none());
        memory.keep(|| Ok::<_, ()>(())).unwrap();
        assert!(memory.keep(|| Err::<(), _>(())).is_err());
        assert!(memory.arena.has(Bytes::new(&memory, 8).1));
    }

    #[test]
    fn what_the_arena_cannot_hold_moves_to_the_heap_with_its_contents() {
        let memory = Machine::opened();
        let mut block = unsafe { memory.alloc(layout(4)) };
        for place in 0..4 {
            unsafe { block.add(place).write(place as u8) };
        }
        let mut size = 4;
        while size < 4096 {
            let other = unsafe { memory.alloc(layout(4)) };
            block = unsafe { memory.realloc(block, layout(size), size * 2) };
            for place in size..size * 2 {
                unsafe { block.add(place).write(place as u8) };
            }
            unsafe { memory.dealloc(other, layout(4)) };
            size *= 2;
        }
        assert!(!memory.arena.has(block));
        for place in 0..size {
            assert_eq!(unsafe { block.add(place).read() }, place as u8);
        }
        unsafe { memory.dealloc(block, layout(size)) };
    }

    #[test]
    fn zeroed_memory_is_zero_when_it_is_used_again() {
        let memory = Machine::opened();
        let first = unsafe { memory.alloc(layout(16)) };
        unsafe { first.write_bytes(0xff, 16) };
        unsafe { memory.dealloc(first, layout(16)) };
        let again = unsafe { memory.alloc_zeroed(layout(16)) };
        assert_eq!(first, again);
        assert!((0..16).all(|place| unsafe { again.add(place).read() } == 0));
        unsafe { memory.dealloc(again, layout(16)) };
    }
}
