//! A few pages that are handed out from the bottom up.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::null_mut;

/// Memory for what does not live long.
///
/// A block that is given back is used again if it is the last; the others when the
/// last of all is given back. That wastes room and touches few pages, which is
/// what counts: an arena that is full has no bearing on anything but speed.
pub(crate) struct Arena {
    /// Where its bytes begin.
    base: Cell<*mut u8>,
    /// How many there are.
    size: Cell<usize>,
    /// Where the next block may begin.
    next: Cell<usize>,
    /// How many blocks are in use.
    blocks: Cell<usize>,
}

impl Arena {
    /// An arena without room.
    pub(crate) const fn new() -> Self {
        Self {
            base: Cell::new(null_mut()),
            size: Cell::new(0),
            next: Cell::new(0),
            blocks: Cell::new(0),
        }
    }

    /// Gives an arena without room these bytes, which are nobody else's.
    pub(crate) fn settle(&self, base: *mut u8, size: usize) {
        if self.size.get() == 0 {
            self.base.set(base);
            self.size.set(size);
        }
    }

    /// Takes its bytes away again.
    pub(crate) fn unsettle(&self) {
        self.size.set(0);
        self.next.set(0);
        self.blocks.set(0);
    }

    /// How many bytes are in use, from the bottom up.
    pub(crate) fn used(&self) -> usize {
        self.next.get()
    }

    /// Whether it has any bytes.
    pub(crate) fn has_room(&self) -> bool {
        self.size.get() > 0
    }

    /// Where in the bytes a block begins; a block of elsewhere gives `None`.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().wrapping_sub(self.base.get().addr());
        (offset < self.size.get()).then_some(offset)
    }

    /// Whether a block is one of this arena's.
    pub(crate) fn has(&self, block: *mut u8) -> bool {
        self.offset(block).is_some()
    }

    /// A block of this layout, which is not empty, if there is room for it.
    pub(crate) fn take(&self, layout: Layout) -> Option<*mut u8> {
        let base = self.base.get();
        let free = base.addr().checked_add(self.next.get())?;
        let begin = free
            .checked_next_multiple_of(layout.align())?
            .wrapping_sub(base.addr());
        let end = begin.checked_add(layout.size())?;
        if end > self.size.get() {
            return None;
        }
        self.next.set(end);
        self.blocks.set(self.blocks.get().wrapping_add(1));
        Some(base.wrapping_add(begin))
    }

    /// Takes a block of this arena back.
    pub(crate) fn give_back(&self, block: *mut u8, size: usize) {
        let left = self.blocks.get().saturating_sub(1);
        self.blocks.set(left);
        match self.offset(block) {
            _ if left == 0 => self.next.set(0),
            Some(begin) if begin.wrapping_add(size) == self.next.get() => self.next.set(begin),
            _ => {}
        }
    }

    /// Makes a block of this arena larger or smaller where it is, if that is possible.
    pub(crate) fn resize(&self, block: *mut u8, size: usize, wanted: usize) -> bool {
        let Some(begin) = self.offset(block) else {
            return false;
        };
        let end = begin.saturating_add(wanted);
        if begin.wrapping_add(size) == self.next.get() && end <= self.size.get() {
            self.next.set(end);
            return true;
        }
        wanted <= size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[repr(align(16))]
    struct Room<const SIZE: usize>([u8; SIZE]);

    fn arena<const SIZE: usize>(room: &mut Room<SIZE>) -> Arena {
        let arena = Arena::new();
        arena.settle(room.0.as_mut_ptr(), SIZE);
        arena
    }

    #[test]
    fn blocks_lie_behind_one_another_and_are_aligned() {
        let mut room = Room([0; 64]);
        let arena = arena(&mut room);
        let one = arena.take(layout(3, 1)).unwrap();
        let two = arena.take(layout(8, 8)).unwrap();
        let three = arena.take(layout(1, 1)).unwrap();
        assert_eq!(two.addr() - one.addr(), 8);
        assert_eq!(two.addr() % 8, 0);
        assert_eq!(three.addr() - two.addr(), 8);
        assert!(arena.has(one) && arena.has(three));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut room = Room([0; 16]);
        let arena = arena(&mut room);
        let one = arena.take(layout(10, 1)).unwrap();
        assert_eq!(arena.take(layout(7, 1)), None);
        assert_eq!(arena.take(layout(usize::MAX >> 1, 1)), None);
        let two = arena.take(layout(6, 1)).unwrap();
        assert_eq!(two.addr() - one.addr(), 10);
        assert_eq!(arena.take(layout(1, 1)), None);
    }

    #[test]
    fn the_last_block_is_used_again_and_all_are_when_none_is_left() {
        let mut room = Room([0; 32]);
        let arena = arena(&mut room);
        let one = arena.take(layout(8, 1)).unwrap();
        let two = arena.take(layout(8, 1)).unwrap();
        arena.give_back(two, 8);
        assert_eq!(arena.take(layout(4, 1)), Some(two));
        arena.give_back(one, 8);
        assert_ne!(arena.take(layout(4, 1)), Some(one));
        arena.give_back(two.wrapping_add(4), 4);
        arena.give_back(two, 4);
        assert_eq!(arena.take(layout(32, 1)), Some(one));
    }

    #[test]
    fn only_the_last_block_grows() {
        let mut room = Room([0; 16]);
        let arena = arena(&mut room);
        let one = arena.take(layout(4, 1)).unwrap();
        assert!(arena.resize(one, 4, 6));
        let two = arena.take(layout(4, 1)).unwrap();
        assert!(!arena.resize(one, 6, 7));
        assert!(arena.resize(one, 6, 2), "smaller is always possible");
        assert!(!arena.resize(two, 4, 11));
        assert!(arena.resize(two, 4, 10));
        assert!(arena.resize(two, 10, 1));
        assert!(arena.take(layout(9, 1)).is_some());
    }

    #[test]
    fn blocks_of_elsewhere_are_not_its_own() {
        let mut room = Room([0; 16]);
        let arena = arena(&mut room);
        let mut other = [0_u8; 16];
        assert!(!arena.has(other.as_mut_ptr()));
        assert!(!arena.has(arena.base.get().wrapping_add(16)));
        assert!(!arena.has(arena.base.get().wrapping_sub(1)));
    }

    #[test]
    fn without_room_there_is_nothing_to_take() {
        let arena = Arena::new();
        assert_eq!(arena.take(layout(1, 1)), None);
        assert!(!arena.has(null_mut()));
        let mut room = Room([0; 16]);
        arena.settle(room.0.as_mut_ptr(), 16);
        let mut other = Room([0; 16]);
        arena.settle(other.0.as_mut_ptr(), 16);
        assert_eq!(arena.take(layout(1, 1)), Some(room.0.as_mut_ptr()));
    }
}
