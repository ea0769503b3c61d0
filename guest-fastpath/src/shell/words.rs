//! Cutting parts into words.

use super::{Operator, Quote, Redirection, escapes_in_double, is_number, plain_run, turn};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// The words of the parts of a line, quotes and escapes removed, in flat tables.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// What the words are pieces of.
    pub(crate) text: String,
    /// All words of all parts in order.
    pub(crate) pieces: Vec<Range<usize>>,
    /// Which of them are what a redirection reads or writes.
    redirected: Vec<bool>,
    ends: Vec<End>,
    /// There is a redirection that writes, or a comment.
    pub(crate) opaque: bool,
}

/// Where the words of a part end, and what was found on the way.
#[derive(Clone, Copy, Debug)]
struct End {
    words: usize,
    as_written: bool,
    redirects: bool,
}

impl Words {
    /// Cuts every part into words. What separates parts is an ordinary character here.
    pub(crate) fn read<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut words = Self::default();
        for part in parts {
            let (as_written, redirects) = Reader::new(&mut words).read(part);
            words.ends.push(End {
                words: words.pieces.len(),
                as_written,
                redirects,
            });
        }
        words
    }

    /// The words of the command that is part number `part`, in order, redirections left out.
    pub(crate) fn of_command(&self, part: usize) -> impl Iterator<Item = &str> {
        let begin = part
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |end| end.words);
        let end = self.ends.get(part).map_or(0, |end| end.words);
        let pieces = self.pieces.get(begin..end).unwrap_or_default();
        let redirected = self.redirected.get(begin..end).unwrap_or_default();
        let words = pieces
            .iter()
            .zip(redirected)
            .filter(|(_, redirected)| !**redirected);
        words.filter_map(|(word, _)| self.text.get(word.clone()))
    }

    /// Whether the words of this part, joined by one blank, are the part as it was written.
    pub(crate) fn are_as_written(&self, part: usize) -> bool {
        self.ends.get(part).is_some_and(|end| end.as_written)
    }

    /// Whether this part has a redirection.
    pub(crate) fn redirects(&self, part: usize) -> bool {
        self.ends.get(part).is_some_and(|end| end.redirects)
    }
}

/// Cuts one part into words.
struct Reader<'w> {
    words: &'w mut Words,
    quote: Quote,
    /// Where the word that is being read begins in `words.text`.
    begin: Option<usize>,
    /// That word is unquoted digits so far: a descriptor, if a redirection touches it.
    digits: bool,
    /// A redirection that still waits for its word.
    pending: Option<Redirection>,
    as_written: bool,
    redirects: bool,
}

impl<'w> Reader<'w> {
    fn new(words: &'w mut Words) -> Self {
        let (as_written, redirects) = (true, false);
        Self {
            words,
            quote: Quote::None,
            begin: None,
            digits: false,
            pending: None,
            as_written,
            redirects,
        }
    }

    /// Reads to the end; gives whether nothing had to be removed but single blanks, and
    /// whether there is a redirection.
    fn read(mut self, part: &str) -> (bool, bool) {
        let mut rest = part;
        while !rest.is_empty() {
            let run = plain_run(rest.as_bytes(), self.quote.splits());
            let read = match self.quote {
                Quote::None if run > 0 => {
                    self.words.opaque |= self.begin.is_none() && rest.starts_with('#');
                    self.take(rest, run)
                }
                _ if run > 0 => self.take(rest, run),
                Quote::None => self.unquoted(rest),
                Quote::Single => turn(&mut self.quote, Quote::None),
                Quote::Double => self.double_quoted(rest),
            };
            rest = rest.get(read..).unwrap_or_default();
        }
        self.finish();
        self.settle(0..0);
        (self.as_written, self.redirects)
    }

    /// Reads what means something outside quotes; gives how many bytes that were.
    fn unquoted(&mut self, rest: &str) -> usize {
        match rest.as_bytes() {
            [blank @ (b' ' | b'\t'), ..] => {
                self.as_written &= *blank == b' ' && self.begin.is_some();
                self.finish();
                1
            }
            [quote @ (b'\'' | b'"'), ..] => {
                self.open();
                self.digits = false;
                self.as_written = false;
                turn(
                    &mut self.quote,
                    if *quote == b'"' {
                        Quote::Double
                    } else {
                        Quote::Single
                    },
                )
            }
            [b'\\', _, ..] => self.escaped(rest),
            // What it escaped was a newline that has been trimmed away.
            [b'\\'] => {
                self.as_written = false;
                1
            }
            bytes => match Operator::at(bytes) {
                Operator::Redirection(what, length) => {
                    self.redirect(what);
                    length
                }
                // In a text that is one part: ordinary characters, but one operator.
                Operator::Separator(length) => self.take(rest, length),
            },
        }
    }

    /// Reads what means something in double quotes; gives how many bytes that were.
    fn double_quoted(&mut self, rest: &str) -> usize {
        match rest.as_bytes() {
            [b'"', ..] => turn(&mut self.quote, Quote::None),
            [b'\\', next, ..] if escapes_in_double(*next) => self.escaped(rest),
            _ => self.take(rest, 1),
        }
    }

    /// Takes the character behind a backslash; a newline is no character of the word.
    fn escaped(&mut self, rest: &str) -> usize {
        self.as_written = false;
        let behind = rest.get(1..).unwrap_or_default();
        let length = behind.chars().next().map_or(0, char::len_utf8);
        if !behind.starts_with('\n') {
            self.take(behind, length);
            self.digits = false;
        }
        length.saturating_add(1)
    }

    /// Adds the first `length` bytes of `rest` to the word.
    fn take(&mut self, rest: &str, length: usize) -> usize {
        let run = rest.get(..length).unwrap_or_default();
        self.open();
        self.digits &= self.quote == Quote::None && is_number(run.as_bytes());
        self.words.text.push_str(run);
        length
    }

    fn open(&mut self) {
        if self.begin.is_none() {
            self.begin = Some(self.words.text.len());
            self.digits = true;
        }
    }

    /// A redirection ends the word before it, and swallows the descriptor that touches it.
    fn redirect(&mut self, what: Redirection) {
        self.as_written = false;
        self.redirects = true;
        if let Some(begin) = self.begin
            && self.digits
        {
            self.words.text.truncate(begin);
            self.begin = None;
        }
        self.finish();
        self.settle(0..0);
        self.pending = Some(what);
    }

    /// Ends the word that is being read, if there is one.
    fn finish(&mut self) {
        let Some(begin) = self.begin.take() else { return };
        let range = begin..self.words.text.len();
        let redirected = self.settle(range.clone());
        self.words.pieces.push(range);
        self.words.redirected.push(redirected);
    }

    /// Judges the redirection that waits, if there is one, by its word; there may be none.
    fn settle(&mut self, word: Range<usize>) -> bool {
        let Some(what) = self.pending.take() else {
            return false;
        };
        let word = self.words.text.get(word).unwrap_or_default();
        self.words.opaque |= what.is_opaque(word.as_bytes());
        true
    }
}
