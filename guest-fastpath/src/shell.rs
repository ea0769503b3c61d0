//! Reading a command line as POSIX sh does: decision semantics, *Commands*, steps 2 and 3.
//!
//! Two state machines over bytes. [`Line`] walks the line once and cuts it into
//! parts; [`Words`] walks one part and cuts it into words. Neither looks back,
//! and neither recurses.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Removes White_Space and U+001C to U+001F from both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_trimmed)
}

fn is_trimmed(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Where the reader stands with regard to quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// One command of a line, trimmed and never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part<'l> {
    pub(crate) text: &'l str,
    /// Where it begins in the line.
    pub(crate) begin: usize,
    /// Directly before it stands a `|` and not a `|&`.
    pub(crate) piped: bool,
}

/// A command line, cut into parts.
#[derive(Debug)]
pub(crate) struct Line<'l> {
    pub(crate) parts: Vec<Part<'l>>,
    /// An expansion, a subshell, a continued line or an open quote: what runs cannot be told from the text.
    pub(crate) opaque: bool,
}

impl<'l> Line<'l> {
    /// Cuts a trimmed line at its unquoted operators.
    pub(crate) fn read(line: &'l str) -> Self {
        let bytes = line.as_bytes();
        let mut read = Self { parts: Vec::new(), opaque: false };
        let (mut quote, mut at, mut begin, mut piped) = (Quote::None, 0_usize, 0_usize, false);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            read.opaque |= is_opaque(quote, rest);
            let step = match (quote, rest) {
                (Quote::None, [b'\'', ..]) => turn(&mut quote, Quote::Single),
                (Quote::None, [b'"', ..]) => turn(&mut quote, Quote::Double),
                (Quote::Single, [b'\'', ..]) | (Quote::Double, [b'"', ..]) => turn(&mut quote, Quote::None),
                (Quote::None, [b'\\', _, ..]) => 2,
                (Quote::Double, [b'\\', next, ..]) if escapes_in_double(*next) => 2,
                (Quote::None, rest) => match Operator::at(rest) {
                    Some(Operator::Redirection(_, length)) => length,
                    Some(Operator::Separator(length)) => {
                        read.push(line, begin..at, piped);
                        piped = rest.starts_with(b"|") && length == 1;
                        begin = at.saturating_add(length);
                        length
                    }
                    None => 1,
                },
                _ => 1,
            };
            at = at.saturating_add(step);
        }
        read.push(line, begin..bytes.len(), piped);
        read.opaque |= quote != Quote::None;
        read
    }

    fn push(&mut self, line: &'l str, range: Range<usize>, piped: bool) {
        let written = line.get(range.clone()).unwrap_or_default();
        let text = trim(written);
        let blanks = written.len().saturating_sub(written.trim_start_matches(is_trimmed).len());
        if !text.is_empty() {
            self.parts.push(Part { text, begin: range.start.saturating_add(blanks), piped });
        }
    }
}

/// Enters a quote or leaves one; the quote itself is one byte.
fn turn(quote: &mut Quote, to: Quote) -> usize {
    *quote = to;
    1
}

/// In double quotes a backslash is only special before these.
const fn escapes_in_double(byte: u8) -> bool {
    matches!(byte, b'$' | b'`' | b'"' | b'\\' | b'\n')
}

/// Whether an unescaped construct begins here that hides what runs. Redirections and
/// comments are found where words are cut.
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
    /// The longest operator that `rest` begins with.
    fn at(rest: &[u8]) -> Option<Self> {
        Some(match rest {
            [b'&', b'>', b'>', ..] => Self::Redirection(Redirection::Hides, 3),
            [b'&', b'>', ..] => Self::Redirection(Redirection::Hides, 2),
            [b'&', b'&', ..] | [b'|', b'|' | b'&', ..] => Self::Separator(2),
            [b';' | b'&' | b'|' | b'\n', ..] => Self::Separator(1),
            _ => return Self::redirection(rest),
        })
    }

    /// The longest redirection that `rest` begins with, `&>` and `&>>` aside.
    fn redirection(rest: &[u8]) -> Option<Self> {
        let (what, length) = match rest {
            [b'>', b'&', ..] => (Redirection::Duplicates, 2),
            [b'>', b'>' | b'|', ..] | [b'<', b'>', ..] => (Redirection::Writes, 2),
            [b'>', ..] => (Redirection::Writes, 1),
            [b'<', b'<', b'<' | b'-', ..] => (Redirection::Hides, 3),
            [b'<', b'<', ..] => (Redirection::Hides, 2),
            [b'<', b'&', ..] => (Redirection::Reads, 2),
            [b'<', ..] => (Redirection::Reads, 1),
            _ => return None,
        };
        Some(Self::Redirection(what, length))
    }
}

/// One word, quotes and escapes removed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    range: Range<usize>,
    /// It is what a redirection reads or writes.
    redirected: bool,
}

/// The words of the parts of a line, in flat tables.
#[derive(Debug, Default)]
pub(crate) struct Words {
    text: String,
    words: Vec<Word>,
    /// Where the words of each part end in `words`.
    ends: Vec<usize>,
    /// There is a redirection that writes, or a comment.
    pub(crate) opaque: bool,
}

impl Words {
    /// Cuts every part into words. What separates parts is an ordinary character here.
    pub(crate) fn read<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut words = Self::default();
        for part in parts {
            Reader::new(part, &mut words).run();
            words.ends.push(words.words.len());
        }
        words
    }

    /// The words of the command that is part number `part`, in order, redirections left out.
    pub(crate) fn of_command(&self, part: usize) -> impl Iterator<Item = &str> {
        let begin = part.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        let end = self.ends.get(part).copied().unwrap_or_default();
        let words = self.words.get(begin..end).unwrap_or_default();
        words.iter().filter(|word| !word.redirected).filter_map(|word| self.text.get(word.range.clone()))
    }

    /// All words of all parts in order, those of redirections too.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter_map(|word| self.text.get(word.range.clone()))
    }
}

/// Cuts one part into words.
struct Reader<'p, 'w> {
    part: &'p str,
    at: usize,
    quote: Quote,
    words: &'w mut Words,
    /// Where the word that is being read begins in `words.text`.
    begin: Option<usize>,
    /// That word is unquoted digits so far: a descriptor, if a redirection touches it.
    digits: bool,
    /// A redirection that still waits for its word.
    pending: Option<Redirection>,
}

impl<'p, 'w> Reader<'p, 'w> {
    fn new(part: &'p str, words: &'w mut Words) -> Self {
        Self { part, at: 0, quote: Quote::None, words, begin: None, digits: false, pending: None }
    }

    fn run(mut self) {
        while let Some(rest) = self.part.get(self.at..).filter(|rest| !rest.is_empty()) {
            let step = match self.quote {
                Quote::None => self.unquoted(rest),
                Quote::Single if rest.starts_with('\'') => turn(&mut self.quote, Quote::None),
                Quote::Double if rest.starts_with('"') => turn(&mut self.quote, Quote::None),
                Quote::Double => self.double_quoted(rest),
                Quote::Single => self.take(rest, run_length(rest)),
            };
            self.at = self.at.saturating_add(step);
        }
        self.finish();
        self.conclude("");
    }

    /// Reads on outside quotes; gives how many bytes were read.
    fn unquoted(&mut self, rest: &str) -> usize {
        match rest.as_bytes() {
            [b' ' | b'\t', ..] => {
                self.finish();
                1
            }
            [quote @ (b'\'' | b'"'), ..] => {
                self.open();
                self.digits = false;
                turn(&mut self.quote, if *quote == b'"' { Quote::Double } else { Quote::Single })
            }
            [b'\\', b'\n', ..] => 2,
            [b'\\', _, ..] => self.escaped(rest),
            bytes => {
                if let Some(Operator::Redirection(what, length)) = Operator::at(bytes) {
                    self.redirect(what);
                    return length;
                }
                self.words.opaque |= self.begin.is_none() && rest.starts_with('#');
                self.take(rest, run_length(rest))
            }
        }
    }

    fn double_quoted(&mut self, rest: &str) -> usize {
        match rest.as_bytes() {
            [b'\\', b'\n', ..] => 2,
            [b'\\', next, ..] if escapes_in_double(*next) => self.escaped(rest),
            _ => self.take(rest, run_length(rest)),
        }
    }

    /// Takes the character behind a backslash.
    fn escaped(&mut self, rest: &str) -> usize {
        let behind = rest.get(1..).unwrap_or_default();
        let length = behind.chars().next().map_or(0, char::len_utf8);
        self.take(behind, length);
        self.digits = false;
        length.saturating_add(1)
    }

    /// Adds the first `length` bytes of `rest` to the word.
    fn take(&mut self, rest: &str, length: usize) -> usize {
        self.open();
        let run = rest.get(..length).unwrap_or(rest);
        self.digits &= self.quote == Quote::None && is_number(run.as_bytes());
        self.words.text.push_str(run);
        run.len()
    }

    fn open(&mut self) {
        if self.begin.is_none() {
            self.begin = Some(self.words.text.len());
            self.digits = true;
        }
    }

    /// A redirection ends the word before it, and swallows the descriptor that touches it.
    fn redirect(&mut self, what: Redirection) {
        if let Some(begin) = self.begin
            && self.digits
            && self.pending.is_none()
        {
            self.words.text.truncate(begin);
            self.begin = None;
        }
        self.finish();
        self.conclude("");
        self.pending = Some(what);
    }

    /// Ends the word that is being read, if there is one.
    fn finish(&mut self) {
        let Some(begin) = self.begin.take() else { return };
        let range = begin..self.words.text.len();
        let redirected = self.pending.is_some();
        if let Some(what) = self.pending.take() {
            let word = self.words.text.get(range.clone()).unwrap_or_default();
            self.words.opaque |= what.is_opaque(word.as_bytes());
        }
        self.words.words.push(Word { range, redirected });
    }

    /// Judges a redirection that found no word.
    fn conclude(&mut self, word: &str) {
        if let Some(what) = self.pending.take() {
            self.words.opaque |= what.is_opaque(word.as_bytes());
        }
    }
}

/// How many bytes of `rest` are sure to be one run of ordinary characters: its first
/// character, and what follows up to the next that may mean something.
fn run_length(rest: &str) -> usize {
    let special = |&byte: &u8| matches!(byte, b' ' | b'\t' | b'\'' | b'"' | b'\\' | b'<' | b'>' | b'&');
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let more = rest.as_bytes().get(first..).unwrap_or_default();
    first.saturating_add(more.iter().position(|byte| special(byte)).unwrap_or(more.len()))
}
