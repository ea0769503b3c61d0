//! Finding every literal of a pattern set in a text, in one pass.
//!
//! Each literal is filed under one short *window* of its bytes, of one fixed
//! width by the literal's length, and where there is a choice the window that
//! the fewest other literals hold. A text is read once, byte by byte, keeping
//! its last eight bytes in a register; a small bit filter says whether they can
//! end a window at all, and only then is the bucket of that window looked up and
//! its literals compared in full.
//!
//! The tables are flat vectors, some 24 bytes a literal, and a text touches few of
//! their pages. Work is proportional to the text and to the windows that it holds,
//! not to the number of literals.

use alloc::vec;
use alloc::vec::Vec;

/// A run of bytes in the pattern text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl Span {
    /// The bytes of this span; none where it lies outside of `bytes`.
    fn of(self, bytes: &[u8]) -> &[u8] {
        let from = self.offset as usize;
        bytes.get(from..from.saturating_add(self.length as usize)).unwrap_or_default()
    }
}

/// One place in a text where a literal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) literal: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// How many bytes of a literal are looked for first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Width {
    One,
    Four,
    Eight,
}

impl Width {
    fn of(literal: &[u8]) -> Self {
        match literal.len() {
            0..4 => Self::One,
            4..8 => Self::Four,
            _ => Self::Eight,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The window of this width that ends where `register` was taken, spread over 64 bits.
    const fn mix(self, register: u64) -> u64 {
        let window = match self {
            Self::One => register & 0xff,
            Self::Four => register & 0xffff_ffff,
            Self::Eight => register,
        };
        window.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// A power of two of slots, addressed by the upper bits of a mixed window.
#[derive(Clone, Copy, Debug)]
struct Slots {
    bits: u32,
}

impl Slots {
    /// At least `count` slots, and at least two.
    fn at_least(count: usize) -> Self {
        Self { bits: count.max(2).next_power_of_two().trailing_zeros() }
    }

    const fn count(self) -> usize {
        1 << self.bits
    }

    const fn slot(self, mixed: u64) -> usize {
        (mixed >> (64 - self.bits)) as usize
    }
}

/// A set of slots.
#[derive(Debug)]
struct Filter {
    slots: Slots,
    words: Vec<u64>,
}

impl Filter {
    fn new(slots: Slots) -> Self {
        Self { slots, words: vec![0; slots.count().div_ceil(64)] }
    }

    fn insert(&mut self, mixed: u64) {
        let slot = self.slots.slot(mixed);
        if let Some(word) = self.words.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    fn holds(&self, mixed: u64) -> bool {
        let slot = self.slots.slot(mixed);
        self.words.get(slot / 64).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Literal {
    span: Span,
    /// Where the window begins in the literal.
    window: u32,
}

/// The literals of a pattern set.
#[derive(Debug)]
pub(crate) struct Literals {
    /// Sorted by bucket: a literal's number is its place here.
    literals: Vec<Literal>,
    slots: Slots,
    /// Where each bucket begins in `literals`, and the end of the last.
    buckets: Vec<u32>,
    /// The last four bytes of every longer window.
    longer: Filter,
    /// Every window of one byte.
    single: [u64; 4],
}

/// How many bits of the filter there are for one literal: of the places that
/// hold no window one in about sixteen is looked up in vain.
const FILTER_BITS: usize = 16;

impl Literals {
    /// Builds the tables for the literals at `mentions` of `bytes`, and tells for
    /// each mention the number of its literal. Equal literals get one number.
    pub(crate) fn new(bytes: &[u8], mentions: &[Span]) -> (Self, Vec<u32>) {
        let (distinct, mut numbers) = distinct(bytes, mentions);
        let sketch = Sketch::of(bytes, &distinct);
        let slots = Slots::at_least(distinct.len());
        let mut order: Vec<(usize, usize, Literal)> = distinct
            .iter()
            .enumerate()
            .map(|(old, &span)| {
                let (window, mixed) = sketch.rarest(span.of(bytes));
                (slots.slot(mixed), old, Literal { span, window })
            })
            .collect();
        order.sort_unstable_by_key(|&(slot, old, _)| (slot, old));

        let mut found = Self {
            literals: Vec::with_capacity(order.len()),
            slots,
            buckets: vec![0; slots.count().saturating_add(1)],
            longer: Filter::new(Slots::at_least(order.len().saturating_mul(FILTER_BITS))),
            single: [0; 4],
        };
        let mut renumbered = vec![0_u32; order.len()];
        for &(slot, old, literal) in &order {
            if let Some(new) = renumbered.get_mut(old) {
                *new = count(found.literals.len());
            }
            if let Some(size) = found.buckets.get_mut(slot.saturating_add(1)) {
                *size = size.saturating_add(1);
            }
            found.announce(literal, bytes);
            found.literals.push(literal);
        }
        let mut total = 0_u32;
        for bucket in &mut found.buckets {
            total = total.saturating_add(*bucket);
            *bucket = total;
        }
        for number in &mut numbers {
            *number = renumbered.get(*number as usize).copied().unwrap_or(u32::MAX);
        }
        (found, numbers)
    }

    /// Lets the filters pass the literal's window.
    fn announce(&mut self, literal: Literal, bytes: &[u8]) {
        let text = literal.span.of(bytes);
        let width = Width::of(text);
        let from = literal.window as usize;
        let window = text.get(from..from.saturating_add(width.bytes())).unwrap_or_default();
        let register = window.iter().fold(0_u64, |register, &byte| register << 8 | u64::from(byte));
        match width {
            Width::One => {
                let byte = register as usize;
                if let Some(word) = self.single.get_mut(byte / 64) {
                    *word |= 1 << (byte % 64);
                }
            }
            Width::Four | Width::Eight => self.longer.insert(Width::Four.mix(register)),
        }
    }

    /// How many distinct literals there are.
    pub(crate) fn count(&self) -> usize {
        self.literals.len()
    }

    /// How long the literal of this number is.
    pub(crate) fn length(&self, number: u32) -> u32 {
        self.literals.get(number as usize).map_or(0, |literal| literal.span.length)
    }

    /// Adds every occurrence of every literal in `text` to `hits`. Of two
    /// occurrences that do not overlap the earlier comes first. `bytes` is what
    /// the tables were built from.
    pub(crate) fn find(&self, bytes: &[u8], text: &[u8], hits: &mut Vec<Hit>) {
        if self.literals.is_empty() {
            return;
        }
        let mut register = 0_u64;
        for (last, &byte) in text.iter().enumerate() {
            register = register << 8 | u64::from(byte);
            if self.single.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1) {
                self.probe(Width::One, register, bytes, text, last, hits);
            }
            if self.longer.holds(Width::Four.mix(register)) {
                self.probe(Width::Four, register, bytes, text, last, hits);
                self.probe(Width::Eight, register, bytes, text, last, hits);
            }
        }
    }

    /// Compares the literals whose window ends with the byte at `last`.
    fn probe(&self, width: Width, register: u64, bytes: &[u8], text: &[u8], last: usize, hits: &mut Vec<Hit>) {
        let slot = self.slots.slot(width.mix(register));
        let bounds = (self.buckets.get(slot), self.buckets.get(slot.saturating_add(1)));
        let (Some(&from), Some(&to)) = bounds else { return };
        for number in from..to {
            let Some(literal) = self.literals.get(number as usize) else { return };
            let wanted = literal.span.of(bytes);
            if Width::of(wanted) != width {
                continue;
            }
            let before = (literal.window as usize).saturating_add(width.bytes());
            let Some(start) = last.saturating_add(1).checked_sub(before) else { continue };
            let end = start.saturating_add(wanted.len());
            if text.get(start..end) == Some(wanted) {
                hits.push(Hit { literal: number, start: count(start), end: count(end) });
            }
        }
    }
}

/// The mentions without repeats, and for each mention its place among them.
fn distinct(bytes: &[u8], mentions: &[Span]) -> (Vec<Span>, Vec<u32>) {
    let mut order: Vec<(u64, u32)> =
        mentions.iter().zip(0..).map(|(span, mention)| (fingerprint(span.of(bytes)), mention)).collect();
    order.sort_unstable();
    let mut distinct: Vec<Span> = Vec::new();
    let mut numbers = vec![0_u32; mentions.len()];
    let mut previous = None;
    for (print, mention) in order {
        let Some(&span) = mentions.get(mention as usize) else { continue };
        // Unequal literals of one fingerprint may be told apart twice over; that costs an entry, no more.
        let same = previous == Some(print) && distinct.last().is_some_and(|last| last.of(bytes) == span.of(bytes));
        if !same {
            distinct.push(span);
        }
        previous = Some(print);
        if let Some(number) = numbers.get_mut(mention as usize) {
            *number = count(distinct.len().saturating_sub(1));
        }
    }
    (distinct, numbers)
}

/// FNV-1a.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |print, &byte| (print ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Estimates how many literals hold a window. Only needed while building.
struct Sketch {
    slots: Slots,
    counts: Vec<u16>,
}

impl Sketch {
    fn of(bytes: &[u8], literals: &[Span]) -> Self {
        let slots = Slots::at_least(literals.len().saturating_mul(8).clamp(64, 1 << 18));
        let mut counts = vec![0_u16; slots.count()];
        for literal in literals {
            for (_, mixed) in windows(literal.of(bytes)) {
                if let Some(count) = counts.get_mut(slots.slot(mixed)) {
                    *count = count.saturating_add(1);
                }
            }
        }
        Self { slots, counts }
    }

    /// Where the literal's rarest window begins, and that window, mixed.
    fn rarest(&self, literal: &[u8]) -> (u32, u64) {
        windows(literal)
            .min_by_key(|&(_, mixed)| self.counts.get(self.slots.slot(mixed)).copied().unwrap_or(u16::MAX))
            .unwrap_or_default()
    }
}

/// Every window of a literal: where it begins, and its bytes, mixed.
fn windows(literal: &[u8]) -> impl Iterator<Item = (u32, u64)> {
    let width = Width::of(literal);
    literal.windows(width.bytes()).zip(0..).map(move |(window, at)| {
        let register = window.iter().fold(0_u64, |register, &byte| register << 8 | u64::from(byte));
        (at, width.mix(register))
    })
}

/// A count or offset within one policy or one text. Both are far below 4 GiB:
/// a policy is refused beyond that, and a text is part of a request.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
