//! Reading a command line as POSIX sh does: decision semantics, *Commands*, steps 2 and 3.
//!
//! Two state machines over bytes, driven by one table of what each byte may
//! mean. [`Line`] walks the line once and cuts it into parts; [`Words`] walks the parts and
//! cuts them into words. Neither looks back, and neither recurses.

mod words;

pub(crate) use words::Words;

use alloc::vec::Vec;
use core::ops::Range;

/// Removes White_Space and U+001C to U+001F from both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_trimmed)
}

fn is_trimmed(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Where a reader stands with regard to quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quote {
    None,
    Single,
    Double,
}

/// The byte may mean something to [`Line`] outside of quotes,
const CUTS: u8 = 1;
/// to a reader of words outside of quotes,
const SPLITS: u8 = 2;
/// to both in double quotes,
const IN_DOUBLE: u8 = 4;
/// and to both in single quotes.
const IN_SINGLE: u8 = 8;

/// What each byte may mean, and where.
static MEANINGS: [u8; 256] = {
    let mut table = [0; 256];
    let meant: &[(&[u8], u8)] = &[
        (b"'", CUTS | SPLITS | IN_SINGLE),
        (b"\"\\", CUTS | SPLITS | IN_DOUBLE),
        (b"$`", CUTS | IN_DOUBLE),
        (b"&|<>", CUTS | SPLITS),
        (b";\n()", CUTS),
        (b" \t", SPLITS),
    ];
    let mut row = 0;
    while row < meant.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within bounds")]
        let (bytes, meaning) = meant[row];
        let mut column = 0;
        while column < bytes.len() {
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within bounds")]
            {
                table[bytes[column] as usize] |= meaning;
            }
            column += 1;
        }
        row += 1;
    }
    table
};

/// How many bytes `rest` begins with that mean nothing of this kind.
fn plain_run(rest: &[u8], kind: u8) -> usize {
    let means = |&byte: &u8| {
        MEANINGS
            .get(usize::from(byte))
            .is_some_and(|meaning| meaning & kind != 0)
    };
    rest.iter().position(means).unwrap_or(rest.len())
}

/// In double quotes a backslash is only special before these.
const fn escapes_in_double(byte: u8) -> bool {
    matches!(byte, b'$' | b'`' | b'"' | b'\\' | b'\n')
}

/// One command of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where it stands in the line, trimmed and never empty.
    pub(crate) range: Range<usize>,
    /// A `|`, and not a `|&`, stands directly before it.
    pub(crate) piped: bool,
}

/// A command line, cut into parts.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) parts: Vec<Part>,
    /// An expansion, a subshell, a continued line or an open quote: what runs cannot be
    /// told from the text.
    pub(crate) opaque: bool,
}

impl Line {
    /// Cuts a trimmed line at its unquoted operators.
    pub(crate) fn read(line: &str) -> Self {
        let bytes = line.as_bytes();
        let mut read = Self::default();
        let (mut quote, mut at, mut begin, mut piped) = (Quote::None, 0_usize, 0_usize, false);
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let run = plain_run(rest, quote.cuts());
            at = at.saturating_add(run);
            let rest = rest.get(run..).unwrap_or_default();
            let length = match (rest, quote) {
                ([], _) => break,
                ([b';' | b'&' | b'|' | b'\n' | b'<' | b'>', ..], Quote::None) => match Operator::at(rest) {
                    Operator::Redirection(_, length) => length,
                    Operator::Separator(length) => {
                        read.push(line, begin..at, piped);
                        piped = length == 1 && rest.starts_with(b"|");
                        begin = at.saturating_add(length);
                        length
                    }
                },
                _ => {
                    read.opaque |= is_opaque(quote, rest);
                    quote.pass(rest)
                }
            };
            at = at.saturating_add(length);
        }
        read.push(line, begin..bytes.len(), piped);
        read.opaque |= quote != Quote::None;
        read
    }

    fn push(&mut self, line: &str, range: Range<usize>, piped: bool) {
        if range.is_empty() {
            return;
        }
        let is_sure = |place: usize| line.as_bytes().get(place).is_some_and(u8::is_ascii_graphic);
        let range = if is_sure(range.start) && is_sure(range.end.saturating_sub(1)) {
            range
        } else {
            let written = line.get(range.clone()).unwrap_or_default();
            let from = range
                .end
                .saturating_sub(written.trim_start_matches(is_trimmed).len());
            from..from.saturating_add(trim(written).len())
        };
        if !range.is_empty() {
            self.parts.push(Part { range, piped });
        }
    }
}

impl Quote {
    /// The kind of bytes that mean something to [`Line`] here.
    const fn cuts(self) -> u8 {
        match self {
            Self::None => CUTS,
            Self::Single => IN_SINGLE,
            Self::Double => IN_DOUBLE,
        }
    }

    /// The kind of bytes that mean something to a reader of words here.
    const fn splits(self) -> u8 {
        match self {
            Self::None => SPLITS,
            Self::Single => IN_SINGLE,
            Self::Double => IN_DOUBLE,
        }
    }

    /// Goes over a quote, an escape, or a character that means nothing after all; gives
    /// how many bytes that were.
    fn pass(&mut self, rest: &[u8]) -> usize {
        match (*self, rest) {
            (Self::None, [b'\'', ..]) => turn(self, Self::Single),
            (Self::None, [b'"', ..]) => turn(self, Self::Double),
            (Self::Single, [b'\'', ..]) | (Self::Double, [b'"', ..]) => turn(self, Self::None),
            (Self::None, [b'\\', _, ..]) => 2,
            (Self::Double, [b'\\', next, ..]) if escapes_in_double(*next) => 2,
            _ => 1,
        }
    }
}

/// Enters a quote or leaves one; the quote itself is one byte.
fn turn(quote: &mut Quote, to: Quote) -> usize {
    *quote = to;
    1
}

/// Whether an unescaped construct begins here that hides what runs. Redirections and
/// comments are found where words are read.
fn is_opaque(quote: Quote, rest: &[u8]) -> bool {
    match (quote, rest) {
        (Quote::Single, _) => false,
        (_, [b'$', b'(' | b'{' | b'[', ..] | [b'`', ..] | [b'\\', b'\n', ..]) => true,
        (Quote::None, [b'$', b'\'', ..] | [b'(' | b')', ..]) => true,
        _ => false,
    }
}

/// What a redirection does with the word behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Redirection {
    /// `<`, `<&`: reads it.
    Reads,
    /// `>`, `>>`, `>|`, `<>`: writes to it.
    Writes,
    /// `>&`: writes to it unless it is a descriptor's number.
    Duplicates,
    /// `&>`, `&>>`, `<<`, `<<-`, `<<<`: not judged whatever it is.
    Hides,
}

impl Redirection {
    fn is_opaque(self, word: &[u8]) -> bool {
        match self {
            Self::Reads => false,
            Self::Hides => true,
            Self::Writes => word != b"/dev/null",
            Self::Duplicates => word != b"/dev/null" && !is_number(word),
        }
    }
}

/// ASCII digits, at least one.
pub(crate) fn is_number(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

/// An operator outside quotes, and its length.
#[derive(Clone, Copy, Debug)]
enum Operator {
    Separator(usize),
    Redirection(Redirection, usize),
}

impl Operator {
    /// The longest operator that `rest` begins with, of which the first byte is one.
    fn at(rest: &[u8]) -> Self {
        let (what, length) = match rest {
            [b'&', b'&', ..] | [b'|', b'|' | b'&', ..] => return Self::Separator(2),
            [b'&', b'>', b'>', ..] | [b'<', b'<', b'<' | b'-', ..] => (Redirection::Hides, 3),
            [b'&', b'>', ..] | [b'<', b'<', ..] => (Redirection::Hides, 2),
            [b'>', b'&', ..] => (Redirection::Duplicates, 2),
            [b'>', b'>' | b'|', ..] | [b'<', b'>', ..] => (Redirection::Writes, 2),
            [b'>', ..] => (Redirection::Writes, 1),
            [b'<', b'&', ..] => (Redirection::Reads, 2),
            [b'<', ..] => (Redirection::Reads, 1),
            _ => return Self::Separator(1),
        };
        Self::Redirection(what, length)
    }
}

#[cfg(test)]
mod tests;
