//! Literals, filed so that those that stand at a place of a text are found at once.
//!
//! A [`Shelf`] files each literal under one *window*: four of its bytes, or eight where too
//! many others have the same four, or one of a literal that is shorter. A bit filter says of most places in a text
//! that no window stands there; where it does not, the window's bucket is looked up
//! and its literals are compared in full. All tables are flat, some 25 bytes a literal.
//!
//! Windows are taken with bit 5 of every byte set. That folds ASCII case, and some
//! other characters with it, which the comparison sorts out.

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
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        let from = self.offset as usize;
        bytes
            .get(from..from.saturating_add(self.length as usize))
            .unwrap_or_default()
    }
}

/// Which of its bytes a literal is filed under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Under {
    /// The first: it is looked for at the places where it may begin.
    First,
    /// The last: it is looked for at the end of a text.
    Last,
    /// Those that the fewest other literals hold: it is looked for everywhere.
    Rarest,
}

/// How ASCII case is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Case {
    Exact,
    Ignored,
}

impl Case {
    pub(crate) fn equal(self, one: &[u8], other: &[u8]) -> bool {
        // Literals that share a window differ in their last bytes as often as not.
        let ends = (one.last_chunk(), other.last_chunk());
        if matches!(ends, (Some(&one), Some(&other)) if four(one) != four(other)) {
            return false;
        }
        match self {
            Self::Exact => one == other,
            Self::Ignored => one.eq_ignore_ascii_case(other),
        }
    }
}

/// The window of four bytes, folded.
fn four(bytes: [u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(bytes) | 0x2020_2020)
}

/// The window of eight bytes, folded.
fn eight(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes) | 0x2020_2020_2020_2020
}

/// The window of one byte, folded.
const fn one(byte: u8) -> u64 {
    (byte | 0x20) as u64
}

/// The folded window that `bytes` begin with, of the given width.
fn window(bytes: &[u8], width: usize) -> Option<u64> {
    match width {
        1 => bytes.first().map(|&byte| one(byte)),
        4 => bytes.first_chunk().map(|&bytes| four(bytes)),
        _ => bytes.first_chunk().map(|&bytes| eight(bytes)),
    }
}

/// Spreads a window of this width over 64 bits; the upper ones are the best.
const fn mix(window: u64, width: usize) -> u64 {
    (window ^ (width as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The bits of a spread window that do not choose its bucket.
const fn tag(mixed: u64) -> u32 {
    mixed as u32
}

/// A power of two of slots, addressed by the upper bits of a mixed window.
#[derive(Clone, Copy, Debug)]
struct Slots {
    bits: u32,
}

impl Slots {
    /// At least `count` slots, and at least two.
    fn at_least(count: usize) -> Self {
        Self {
            bits: count.max(2).next_power_of_two().trailing_zeros(),
        }
    }

    const fn count(self) -> usize {
        1 << self.bits
    }

    const fn slot(self, mixed: u64) -> usize {
        (mixed >> (64 - self.bits)) as usize
    }
}

/// Which windows of four bytes, and which first halves of windows of eight, there may be.
#[derive(Debug)]
struct Filter {
    /// How far to shift a spread window so that its upper bits address a bit.
    shift: u32,
    words: Vec<u32>,
}

impl Filter {
    /// How many bits there are for one literal: of the windows that are not filed, one
    /// in about sixteen passes.
    const BITS: usize = 16;

    fn new(literals: usize) -> Self {
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

    fn insert(&mut self, bytes: [u8; 4]) {
        let (word, bit) = self.place(bytes);
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    fn passes(&self, bytes: [u8; 4]) -> bool {
        let (word, bit) = self.place(bytes);
        self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }
}

/// A set of folded bytes.
#[derive(Debug, Default)]
pub(crate) struct ByteSet([u32; 8]);

impl ByteSet {
    pub(crate) fn insert(&mut self, byte: u8) {
        let bit = one(byte) as usize;
        if let Some(word) = self.0.get_mut(bit / 32) {
            *word |= 1 << (bit % 32);
        }
    }

    pub(crate) fn has(&self, byte: u8) -> bool {
        let bit = one(byte) as usize;
        self.0
            .get(bit / 32)
            .is_some_and(|word| word >> (bit % 32) & 1 == 1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Literal {
    span: Span,
    /// Where the window begins in the literal.
    window: u32,
    /// Tells windows of one bucket apart, mostly.
    tag: u32,
}

/// One place in a text where a literal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) literal: u32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A text together with the patterns' own text, which the shelves refer to.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'t> {
    pub(crate) patterns: &'t [u8],
    pub(crate) subject: &'t [u8],
}

/// Literals, each filed under a window.
#[derive(Debug)]
pub(crate) struct Shelf {
    case: Case,
    /// Sorted by bucket: a literal's number is its place here.
    literals: Vec<Literal>,
    slots: Slots,
    /// Where each bucket begins in `literals`, and where the last ends.
    buckets: Vec<u32>,
    longer: Filter,
    /// The windows of one byte.
    single: ByteSet,
    has_single: bool,
    has_longer: bool,
    has_eight: bool,
    /// The first bytes of all literals, or the last if they are filed under these: enough
    /// to turn most places away.
    edges: ByteSet,
}

impl Shelf {
    /// Files the literals at `spans` of `patterns`, and tells for each span the number of its
    /// literal. Literals that compare as equal get one number.
    pub(crate) fn new(patterns: &[u8], spans: &[Span], under: Under, case: Case) -> (Self, Vec<u32>) {
        let (distinct, mut numbers) = distinct(patterns, spans, case);
        let sketch = Sketch::of(patterns, &distinct, under);
        let slots = Slots::at_least(distinct.len());
        let mut order: Vec<(usize, usize, Filed)> = Vec::with_capacity(distinct.len());
        for (old, &span) in distinct.iter().enumerate() {
            let chosen = sketch.choose(span.of(patterns));
            order.push((slots.slot(chosen.mixed), old, Filed { span, chosen }));
        }
        order.sort_unstable_by_key(|&(slot, old, _)| (slot, old));
        let mut shelf = Self {
            case,
            literals: Vec::with_capacity(order.len()),
            slots,
            buckets: vec![0; slots.count().saturating_add(1)],
            longer: Filter::new(order.len()),
            single: ByteSet::default(),
            has_single: false,
            has_longer: false,
            has_eight: false,
            edges: ByteSet::default(),
        };
        let mut renumbered = vec![0_u32; order.len()];
        for &(slot, old, filed) in &order {
            if let Some(new) = renumbered.get_mut(old) {
                *new = count(shelf.literals.len());
            }
            if let Some(size) = shelf.buckets.get_mut(slot.saturating_add(1)) {
                *size = size.saturating_add(1);
            }
            shelf.announce(filed, patterns, under);
            let Filed { span, chosen } = filed;
            shelf.literals.push(Literal {
                span,
                window: chosen.place,
                tag: tag(chosen.mixed),
            });
        }
        let mut total = 0_u32;
        for bucket in &mut shelf.buckets {
            total = total.saturating_add(*bucket);
            *bucket = total;
        }
        for number in &mut numbers {
            *number = renumbered.get(*number as usize).copied().unwrap_or(u32::MAX);
        }
        (shelf, numbers)
    }

    /// Lets the filters pass the literal's window.
    fn announce(&mut self, filed: Filed, patterns: &[u8], under: Under) {
        let text = filed.span.of(patterns);
        let edge = if under == Under::Last {
            text.last()
        } else {
            text.first()
        };
        edge.iter().for_each(|&&byte| self.edges.insert(byte));
        let window = text.get(filed.chosen.place as usize..).unwrap_or_default();
        match (filed.chosen.width, window.first(), window.first_chunk()) {
            (1, Some(&byte), _) => {
                self.single.insert(byte);
                self.has_single = true;
            }
            (width, _, Some(&bytes)) => {
                self.longer.insert(bytes);
                self.has_longer = true;
                self.has_eight |= width == 8;
            }
            _ => {}
        }
    }

    /// How ASCII case is compared.
    pub(crate) fn case(&self) -> Case {
        self.case
    }

    /// How many literals there are.
    pub(crate) fn count(&self) -> usize {
        self.literals.len()
    }

    /// The literal of this number.
    pub(crate) fn literal<'p>(&self, number: u32, patterns: &'p [u8]) -> &'p [u8] {
        self.literals
            .get(number as usize)
            .map_or(&[], |literal| literal.span.of(patterns))
    }

    /// Whether some literal begins with this byte or, if they are filed under their last, ends with it.
    pub(crate) fn has_edge(&self, byte: u8) -> bool {
        self.edges.has(byte)
    }

    /// Reports the literals that begin at `place`, of a shelf filed under first bytes.
    pub(crate) fn at(&self, texts: Texts<'_>, place: usize, report: &mut impl FnMut(Hit)) {
        let Some(rest @ [byte, ..]) = texts.subject.get(place..) else {
            return;
        };
        if self.single.has(*byte) {
            self.probe(1, one(*byte), texts, place, report);
        }
        self.look_up(rest, texts, place, report);
    }

    /// Reports the literals that end where the text does, of a shelf filed under last bytes.
    pub(crate) fn at_end(&self, texts: Texts<'_>, report: &mut impl FnMut(Hit)) {
        for width in [1, 4, 8] {
            if let Some(place) = texts.subject.len().checked_sub(width)
                && let Some(window) = texts.subject.get(place..).and_then(|rest| window(rest, width))
            {
                self.probe(width, window, texts, place, report);
            }
        }
    }

    /// Reports every occurrence of every literal, in the order of windows: of two that do
    /// not overlap the earlier comes first.
    pub(crate) fn everywhere(&self, texts: Texts<'_>, report: &mut impl FnMut(Hit)) {
        if self.literals.is_empty() {
            return;
        }
        let mut rest = 0..texts.subject.len();
        if self.has_longer {
            for (place, &bytes) in texts.subject.array_windows::<4>().enumerate() {
                let [byte, ..] = bytes;
                if self.has_single && self.single.has(byte) {
                    self.probe(1, one(byte), texts, place, report);
                }
                if self.longer.passes(bytes) {
                    self.look_up(
                        texts.subject.get(place..).unwrap_or_default(),
                        texts,
                        place,
                        report,
                    );
                }
            }
            rest = texts.subject.len().saturating_sub(3)..texts.subject.len();
        }
        if self.has_single {
            for (place, &byte) in texts.subject.iter().enumerate().skip(rest.start) {
                if self.single.has(byte) {
                    self.probe(1, one(byte), texts, place, report);
                }
            }
        }
    }

    /// Compares the literals filed under a longer window at `place`, where `rest` begins.
    fn look_up(&self, rest: &[u8], texts: Texts<'_>, place: usize, report: &mut impl FnMut(Hit)) {
        let Some(&bytes) = rest.first_chunk().filter(|&&bytes| self.longer.passes(bytes)) else {
            return;
        };
        self.probe(4, four(bytes), texts, place, report);
        if self.has_eight
            && let Some(&bytes) = rest.first_chunk()
        {
            self.probe(8, eight(bytes), texts, place, report);
        }
    }

    /// Compares the literals filed under the window at `place`.
    fn probe(&self, width: usize, window: u64, texts: Texts<'_>, place: usize, report: &mut impl FnMut(Hit)) {
        let mixed = mix(window, width);
        let slot = self.slots.slot(mixed);
        let bounds = (self.buckets.get(slot), self.buckets.get(slot.saturating_add(1)));
        let (Some(&from), Some(&to)) = bounds else { return };
        let bucket = self.literals.get(from as usize..to as usize).unwrap_or_default();
        for (number, literal) in (from..)
            .zip(bucket)
            .filter(|(_, literal)| literal.tag == tag(mixed))
        {
            let Some(start) = place.checked_sub(literal.window as usize) else {
                continue;
            };
            let end = start.saturating_add(literal.span.length as usize);
            let there = texts.subject.get(start..end);
            if there.is_some_and(|there| self.case.equal(literal.span.of(texts.patterns), there)) {
                report(Hit {
                    literal: number,
                    start,
                    end,
                });
            }
        }
    }
}

/// The spans without repeats, and for each span its place among them.
fn distinct(patterns: &[u8], spans: &[Span], case: Case) -> (Vec<Span>, Vec<u32>) {
    let mut order: Vec<(u64, u32)> = spans
        .iter()
        .zip(0..)
        .map(|(span, place)| (fingerprint(span.of(patterns)), place))
        .collect();
    order.sort_unstable();
    let mut distinct: Vec<Span> = Vec::new();
    let mut numbers = vec![0_u32; spans.len()];
    for (_, place) in order {
        let Some(&span) = spans.get(place as usize) else {
            continue;
        };
        // Of unequal literals with one fingerprint some may be filed twice. That costs room and no more.
        let same = |last: &Span| case.equal(last.of(patterns), span.of(patterns));
        if !distinct.last().is_some_and(same) {
            distinct.push(span);
        }
        if let Some(number) = numbers.get_mut(place as usize) {
            *number = count(distinct.len().saturating_sub(1));
        }
    }
    (distinct, numbers)
}

/// FNV-1a of the folded bytes.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |print: u64, &byte: &u8| (print ^ one(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A literal, and the window that it is filed under.
#[derive(Clone, Copy)]
struct Filed {
    span: Span,
    chosen: Window,
}

/// A window that a literal can be filed under.
#[derive(Clone, Copy)]
struct Window {
    /// Where it begins in the literal.
    place: u32,
    width: usize,
    mixed: u64,
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
            for window in widths(literal).flat_map(|width| windows(literal, width, under)) {
                if let Some(count) = sketch.counts.get_mut(slots.slot(window.mixed)) {
                    *count = count.saturating_add(1);
                }
            }
        }
        sketch
    }

    /// The window that a literal is filed under: the rarest of the narrowest width that is not crowded.
    fn choose(&self, literal: &[u8]) -> Window {
        let rarest = |width| windows(literal, width, self.under).min_by_key(|window| self.count(*window));
        let mut chosen = Window {
            place: 0,
            width: 1,
            mixed: 0,
        };
        for window in widths(literal).filter_map(rarest) {
            chosen = window;
            if self.count(window) <= CROWD_OF_FOUR {
                break;
            }
        }
        chosen
    }

    /// How many of the literals share the window that this one is filed under.
    pub(crate) fn shared(&self, literal: &[u8]) -> u16 {
        self.count(self.choose(literal))
    }

    fn count(&self, window: Window) -> u16 {
        self.counts
            .get(self.slots.slot(window.mixed))
            .copied()
            .unwrap_or(u16::MAX)
    }
}

/// How wide a literal's window can be.
fn widths(literal: &[u8]) -> impl Iterator<Item = usize> {
    let widths: &[usize] = match literal.len() {
        0..4 => &[1],
        4..8 => &[4],
        _ => &[4, 8],
    };
    widths.iter().copied()
}

/// The windows of this width that a literal could be filed under.
fn windows(literal: &[u8], width: usize, under: Under) -> impl Iterator<Item = Window> {
    let last = literal.len().saturating_sub(width);
    let places = match under {
        Under::First => 0..=0,
        Under::Last => last..=last,
        Under::Rarest => 0..=last,
    };
    places.filter_map(move |place| {
        let mixed = mix(window(literal.get(place..)?, width)?, width);
        Some(Window {
            place: count(place),
            width,
            mixed,
        })
    })
}

/// A count or offset within one policy or one text. Both are far below 4 GiB:
/// a policy is refused beyond that, and a text is part of a request.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
