//! Literals, filed so that those that stand at a place of a text are found at once.
//!
//! A [`Shelf`] files each literal under one *window*: four of its bytes, or eight where too
//! many others have the same four, or one of a literal that is shorter. A bit filter
//! says of most places in a text that no window stands there; where it does not, the window's
//! bucket is looked up and its literals are compared in full. All tables are flat, some
//! 25 bytes a literal.

mod windows;

use alloc::vec;
use alloc::vec::Vec;
use windows::{Filter, Slots, Window, eight, four, mix, one, tag};

pub(crate) use windows::{ByteSet, Sketch};

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

#[derive(Clone, Copy, Debug)]
struct Literal {
    span: Span,
    /// Where the window begins in the literal.
    window: u32,
    /// The rest of the window, spread: see [`tag`].
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
#[derive(Clone, Debug)]
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
        let mut shelf = Self {
            case,
            literals: Vec::with_capacity(distinct.len()),
            slots,
            buckets: Vec::new(),
            longer: Filter::new(distinct.len()),
            single: ByteSet::default(),
            has_single: false,
            has_longer: false,
            has_eight: false,
            edges: ByteSet::default(),
        };
        let choose = |span: &Span| {
            let nothing = Window {
                place: 0,
                width: 0,
                mixed: 0,
            };
            let (_, window) = sketch.choose(span.of(patterns)).unwrap_or((0, nothing));
            (*span, window)
        };
        let chosen: Vec<(Span, Window)> = distinct.iter().map(choose).collect();
        let buckets: Vec<u32> = chosen
            .iter()
            .map(|(_, window)| count(slots.slot(window.mixed)))
            .collect();
        let (begins, order) = group(&buckets, slots.count());
        shelf.buckets = begins;
        let mut renumbered = vec![0_u32; order.len()];
        for (new, &old) in (0..).zip(&order) {
            let Some(&(span, window)) = chosen.get(old as usize) else {
                continue;
            };
            shelf.announce(span.of(patterns), window, under);
            shelf.literals.push(Literal {
                span,
                window: window.place,
                tag: tag(window.mixed),
            });
            if let Some(number) = renumbered.get_mut(old as usize) {
                *number = new;
            }
        }
        for number in &mut numbers {
            *number = renumbered.get(*number as usize).copied().unwrap_or(u32::MAX);
        }
        (shelf, numbers)
    }

    /// Lets the filters pass the literal's window.
    fn announce(&mut self, literal: &[u8], window: Window, under: Under) {
        let edge = if under == Under::Last {
            literal.last()
        } else {
            literal.first()
        };
        edge.iter().for_each(|&&byte| self.edges.insert(byte));
        let bytes = literal.get(window.place as usize..).unwrap_or_default();
        match (window.width, bytes.first(), bytes.first_chunk()) {
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
            self.probe(1, one([*byte]), texts, place, report);
        }
        self.look_up(rest, texts, place, report);
    }

    /// Reports the literals that end where the text does, of a shelf filed under last bytes.
    pub(crate) fn at_end(&self, texts: Texts<'_>, report: &mut impl FnMut(Hit)) {
        let text = texts.subject;
        let place = |width: usize| text.len().saturating_sub(width);
        if let Some(&bytes) = text.last_chunk() {
            self.probe(1, one(bytes), texts, place(1), report);
        }
        if let Some(&bytes) = text.last_chunk() {
            self.probe(4, four(bytes), texts, place(4), report);
        }
        if let Some(&bytes) = text.last_chunk() {
            self.probe(8, eight(bytes), texts, place(8), report);
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
                    self.probe(1, one([byte]), texts, place, report);
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
                    self.probe(1, one([byte]), texts, place, report);
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
    let slots = Slots::at_least(spans.len());
    let slot = |span: &Span| count(slots.slot(fingerprint(span.of(patterns))));
    let (begins, order) = group(&spans.iter().map(slot).collect::<Vec<u32>>(), slots.count());
    let mut distinct: Vec<Span> = Vec::with_capacity(spans.len());
    let mut numbers = vec![0_u32; spans.len()];
    for bounds in begins.windows(2) {
        let &[from, to] = bounds else { continue };
        let known = distinct.len();
        for &place in order.get(from as usize..to as usize).unwrap_or_default() {
            let Some(&span) = spans.get(place as usize) else {
                continue;
            };
            let equal = |other: &Span| case.equal(other.of(patterns), span.of(patterns));
            let found = distinct.iter().skip(known).position(equal);
            let number = found.map_or(distinct.len(), |found| known.saturating_add(found));
            if found.is_none() {
                distinct.push(span);
            }
            if let Some(of_span) = numbers.get_mut(place as usize) {
                *of_span = count(number);
            }
        }
    }
    distinct.shrink_to_fit();
    (distinct, numbers)
}

/// Sorts the places of `keys` by key, places of one key in order; gives where each of the keys
/// below `keys_end` begins, and where the last ends.
pub(crate) fn group(keys: &[u32], keys_end: usize) -> (Vec<u32>, Vec<u32>) {
    let mut begins = vec![0_u32; keys_end.saturating_add(1)];
    for &key in keys {
        if let Some(size) = begins.get_mut((key as usize).saturating_add(1)) {
            *size = size.saturating_add(1);
        }
    }
    let mut total = 0_u32;
    for begin in &mut begins {
        total = total.saturating_add(*begin);
        *begin = total;
    }
    let mut free = begins.clone();
    let mut order = vec![0_u32; keys.len()];
    for (place, &key) in (0..).zip(keys) {
        let Some(next) = free.get_mut(key as usize) else {
            continue;
        };
        if let Some(at) = order.get_mut(*next as usize) {
            *at = place;
        }
        *next = next.saturating_add(1);
    }
    (begins, order)
}

/// FNV-1a of the folded bytes, spread.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |print: u64, &byte: &u8| (print ^ one([byte])).wrapping_mul(0x100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step), 0)
}

/// A count or offset within one policy or one text. Both are far below 4 GiB:
/// a policy is refused beyond that, and a text is part of a request.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
