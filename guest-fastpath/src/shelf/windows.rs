//! The windows that literals are filed under: which there are, which is the best, and a
//! filter that says where none can stand.
//!
//! Windows are taken with bit 5 of every byte set. That folds ASCII case, and some
//! other characters with it, which the comparison of the whole literal sorts out.

use super::{Span, Under, count};
use alloc::vec;
use alloc::vec::Vec;

/// The folded windows that texts and literals are read by.
pub(super) const fn one(bytes: [u8; 1]) -> u64 {
    let [byte] = bytes;
    (byte | 0x20) as u64
}

pub(super) const fn four(bytes: [u8; 4]) -> u64 {
    (u32::from_le_bytes(bytes) | 0x2020_2020) as u64
}

pub(super) const fn eight(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes) | 0x2020_2020_2020_2020
}

/// Spreads a window of this width over 64 bits; the upper ones are the best.
pub(super) const fn mix(window: u64, width: usize) -> u64 {
    (window ^ (width as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The bits of a spread window that do not choose its bucket: they tell windows of one
/// bucket apart, mostly.
pub(super) const fn tag(mixed: u64) -> u32 {
    mixed as u32
}

/// A power of two of slots, addressed by the upper bits of a spread window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    bits: u32,
}

impl Slots {
    /// At least `count` slots, and at least two.
    pub(super) fn at_least(count: usize) -> Self {
        Self {
            bits: count.max(2).next_power_of_two().trailing_zeros(),
        }
    }

    pub(super) const fn count(self) -> usize {
        1 << self.bits
    }

    pub(super) const fn slot(self, mixed: u64) -> usize {
        (mixed >> (64 - self.bits)) as usize
    }
}

/// Which windows of four bytes, and which first halves of windows of eight, there may be.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// How far to shift a spread window so that its upper bits address a bit.
    shift: u32,
    words: Vec<u32>,
}

impl Filter {
    /// How many bits there are for one literal: of the windows that are not filed, one
    /// in about sixteen passes.
    const BITS: usize = 16;

    pub(super) fn new(literals: usize) -> Self {
        let bits = literals
            .saturating_mul(Self::BITS)
            .clamp(32, 1 << 30)
            .next_power_of_two();
        Self {
            shift: u32::BITS.saturating_sub(bits.trailing_zeros()),
            words: vec![0; bits / 32],
        }
    }

    /// The word that a window is noted in, and the bit in it.
    fn place(&self, bytes: [u8; 4]) -> (usize, u32) {
        let spread = (u32::from_le_bytes(bytes) | 0x2020_2020).wrapping_mul(0x9e37_79b1) >> self.shift;
        ((spread >> 5) as usize, spread & 31)
    }

    pub(super) fn insert(&mut self, bytes: [u8; 4]) {
        let (word, bit) = self.place(bytes);
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    pub(super) fn passes(&self, bytes: [u8; 4]) -> bool {
        let (word, bit) = self.place(bytes);
        self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }
}

/// A set of folded bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteSet([u32; 8]);

impl ByteSet {
    pub(crate) fn insert(&mut self, byte: u8) {
        let bit = one([byte]) as usize;
        if let Some(word) = self.0.get_mut(bit / 32) {
            *word |= 1 << (bit % 32);
        }
    }

    pub(crate) fn has(&self, byte: u8) -> bool {
        let bit = one([byte]) as usize;
        self.0
            .get(bit / 32)
            .is_some_and(|word| word >> (bit % 32) & 1 == 1)
    }
}

/// A window that a literal can be filed under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Where it begins in the literal.
    pub(super) place: u32,
    pub(super) width: usize,
    pub(super) mixed: u64,
}

/// More literals than this are not filed under the same four bytes if they have eight.
const CROWD_OF_FOUR: u16 = 4;

/// Estimates how many literals hold a window. Only needed while filing.
pub(crate) struct Sketch {
    under: Under,
    slots: Slots,
    counts: Vec<u16>,
}

impl Sketch {
    /// Counts the windows that the literals could be filed under.
    pub(crate) fn of(patterns: &[u8], literals: &[Span], under: Under) -> Self {
        let slots = Slots::at_least(literals.len().saturating_mul(16).clamp(64, 1 << 19));
        let mut sketch = Self {
            under,
            slots,
            counts: vec![0; slots.count()],
        };
        for literal in literals {
            let literal = literal.of(patterns);
            if literal.len() < 4 {
                sketch.add(literal, one);
            } else {
                sketch.add(literal, four);
            }
        }
        for literal in literals.iter().filter(|literal| literal.length >= 8) {
            let literal = literal.of(patterns);
            if sketch
                .rarest(literal, four)
                .is_some_and(|(crowd, _)| crowd > CROWD_OF_FOUR)
            {
                sketch.add(literal, eight);
            }
        }
        sketch
    }

    fn add<const N: usize>(&mut self, literal: &[u8], read: fn([u8; N]) -> u64) {
        for (_, bytes) in windows(literal, self.under) {
            if let Some(count) = self.counts.get_mut(self.slots.slot(mix(read(bytes), N))) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// The rarest window of a width, and how many literals hold it.
    fn rarest<const N: usize>(&self, literal: &[u8], read: fn([u8; N]) -> u64) -> Option<(u16, Window)> {
        let windows = windows(literal, self.under).map(|(place, bytes)| {
            let mixed = mix(read(bytes), N);
            let crowd = self
                .counts
                .get(self.slots.slot(mixed))
                .copied()
                .unwrap_or(u16::MAX);
            (
                crowd,
                Window {
                    place,
                    width: N,
                    mixed,
                },
            )
        });
        windows.min_by_key(|(crowd, _)| *crowd)
    }

    /// The window that a literal is filed under, and how many literals hold it: the rarest of four
    /// bytes or, where that is crowded, of eight.
    pub(super) fn choose(&self, literal: &[u8]) -> Option<(u16, Window)> {
        let narrow = if literal.len() < 4 {
            self.rarest(literal, one)
        } else {
            self.rarest(literal, four)
        };
        match narrow {
            Some((crowd, _)) if crowd > CROWD_OF_FOUR && literal.len() >= 8 => self.rarest(literal, eight),
            narrow => narrow,
        }
    }

    /// How many of the literals share the window that this one is filed under.
    pub(crate) fn shared(&self, literal: &[u8]) -> u16 {
        self.choose(literal).map_or(0, |(crowd, _)| crowd)
    }
}

/// The windows of this width that a literal could be filed under, with where they begin.
fn windows<const N: usize>(literal: &[u8], under: Under) -> impl Iterator<Item = (u32, [u8; N])> {
    let last = literal.len().saturating_sub(N);
    let (from, to) = match under {
        Under::First => (0, N),
        Under::Last => (last, literal.len()),
        Under::Rarest => (0, literal.len()),
    };
    let windows = literal.get(from..to).unwrap_or_default().array_windows();
    (count(from)..).zip(windows.copied())
}
