//! Cutting parts into words.

use super::{Operator, Quote, Redirection, SPLITS, escapes_in_double, is_number, plain_run};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// The words of the parts of a line, quotes and escapes removed.
#[derive(Debug)]
pub(crate) struct Words<'l> {
    line: &'l str,
    /// The words that are not pieces of the line, one behind the other.
    built: String,
    /// All words of all parts in order.
    words: Vec<Word>,
    ends: Vec<End>,
    /// There is a redirection that writes, or a comment.
    pub(crate) opaque: bool,
    /// The words of every part, joined by one blank, are the part as it was written.
    pub(crate) as_written: bool,
}

/// One word.
#[derive(Clone, Debug)]
struct Word {
    /// Where it stands in the line, or in what was built.
    range: Range<usize>,
    is_built: bool,
    /// It is what a redirection reads or writes.
    redirected: bool,
}

/// Where the words of a part end, and what was found on the way.
#[derive(Clone, Copy, Debug)]
struct End {
    words: usize,
    as_written: bool,
    redirects: bool,
}

impl<'l> Words<'l> {
    /// Cuts these parts of the line into words. What separates parts is an ordinary
    /// character here.
    pub(crate) fn read(line: &'l str, parts: impl ExactSizeIterator<Item = Range<usize>>) -> Self {
        let mut words = Self {
            line,
            built: String::new(),
            words: Vec::new(),
            ends: Vec::with_capacity(parts.len()),
            opaque: false,
            as_written: true,
        };
        for part in parts {
            let (as_written, redirects) = words.read_part(part);
            words.as_written &= as_written;
            words.ends.push(End {
                words: words.words.len(),
                as_written,
                redirects,
            });
        }
        words
    }

    /// Gives whether the words are the part as it was written, and whether there is a redirection.
    fn read_part(&mut self, part: Range<usize>) -> (bool, bool) {
        let text = self.line.as_bytes().get(part.clone()).unwrap_or_default();
        if plain_run(text, SPLITS) == text.len() && !text.starts_with(b"#") {
            self.words.push(Word {
                range: part,
                is_built: false,
                redirected: false,
            });
            return (true, false);
        }
        let mut reader = Reader::new(self, part);
        reader.read();
        (reader.as_written, reader.redirects)
    }

    fn text(&self, word: &Word) -> &str {
        let text = if word.is_built { &self.built } else { self.line };
        text.get(word.range.clone()).unwrap_or_default()
    }

    /// The words of the command that is part number `part`, in order, redirections left out.
    pub(crate) fn of_command(&self, part: usize) -> impl Iterator<Item = &str> {
        let begin = part
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |end| end.words);
        let end = self.ends.get(part).map_or(0, |end| end.words);
        let words = self.words.get(begin..end).unwrap_or_default();
        words
            .iter()
            .filter(|word| !word.redirected)
            .map(|word| self.text(word))
    }

    /// All words in order, those of redirections too.
    pub(crate) fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.words.iter().map(|word| self.text(word).as_bytes())
    }

    /// The texts that all words are pieces of.
    pub(crate) fn sources(&self) -> [&[u8]; 2] {
        [self.line.as_bytes(), self.built.as_bytes()]
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

/// The word that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// There is none yet.
    Nothing,
    /// A piece of the line, from here.
    Piece(usize),
    /// Not a piece of the line: it is being built, from here.
    Built(usize),
}

/// Cuts one part into words.
struct Reader<'l, 'w> {
    words: &'w mut Words<'l>,
    at: usize,
    end: usize,
    quote: Quote,
    word: Open,
    /// The word is unquoted digits so far: a descriptor, if a redirection touches it.
    digits: bool,
    /// A redirection that still waits for its word.
    pending: Option<Redirection>,
    as_written: bool,
    redirects: bool,
}

impl<'l, 'w> Reader<'l, 'w> {
    fn new(words: &'w mut Words<'l>, part: Range<usize>) -> Self {
        Self {
            words,
            at: part.start,
            end: part.end,
            quote: Quote::None,
            word: Open::Nothing,
            digits: false,
            pending: None,
            as_written: true,
            redirects: false,
        }
    }

    fn read(&mut self) {
        loop {
            let rest = self.words.line.get(self.at..self.end).unwrap_or_default();
            let run = plain_run(rest.as_bytes(), self.quote.splits());
            if run > 0 {
                let is_comment = rest.starts_with('#') && self.word == Open::Nothing;
                self.words.opaque |= is_comment && self.quote == Quote::None;
                self.take(run);
                continue;
            }
            match (rest.as_bytes(), self.quote) {
                ([], _) => break,
                (_, Quote::None) => self.unquoted(rest),
                ([b'\\', next, ..], Quote::Double) if escapes_in_double(*next) => self.escaped(rest),
                ([b'"', ..], Quote::Double) | ([b'\'', ..], Quote::Single) => self.turn(Quote::None),
                _ => self.take(1),
            }
        }
        self.finish();
        self.give_up();
    }

    /// Reads what means something outside quotes.
    fn unquoted(&mut self, rest: &str) {
        match rest.as_bytes() {
            [blank @ (b' ' | b'\t'), ..] => {
                self.as_written &= *blank == b' ' && self.word != Open::Nothing;
                self.finish();
                self.at = self.at.saturating_add(1);
            }
            [b'"', ..] => self.turn(Quote::Double),
            [b'\'', ..] => self.turn(Quote::Single),
            [b'\\', ..] => self.escaped(rest),
            bytes => match Operator::at(bytes) {
                Operator::Redirection(what, length) => {
                    self.redirect(what);
                    self.at = self.at.saturating_add(length);
                }
                // In a text that is one part: ordinary characters, but one operator.
                Operator::Separator(length) => self.take(length),
            },
        }
    }

    /// Takes the next `length` bytes into the word.
    fn take(&mut self, length: usize) {
        let run = self.at..self.at.saturating_add(length);
        let text = self.words.line.get(run.clone()).unwrap_or_default();
        if self.word == Open::Nothing {
            self.word = Open::Piece(self.at);
            self.digits = true;
        }
        self.digits &= self.quote == Quote::None && is_number(text.as_bytes());
        if let Open::Built(_) = self.word {
            self.words.built.push_str(text);
        }
        self.at = run.end;
    }

    /// Makes the word one that is not a piece of the line, and begins it if need be.
    fn build(&mut self) {
        let begun = match self.word {
            Open::Built(_) => return,
            Open::Piece(begin) => self.words.line.get(begin..self.at).unwrap_or_default(),
            Open::Nothing => "",
        };
        self.word = Open::Built(self.words.built.len());
        self.words.built.push_str(begun);
    }

    /// Goes over a quote.
    fn turn(&mut self, to: Quote) {
        self.build();
        (self.as_written, self.digits) = (false, false);
        self.quote = to;
        self.at = self.at.saturating_add(1);
    }

    /// Takes the character behind a backslash. A newline vanishes with it; and where there is
    /// none, that was a newline which has been trimmed away.
    fn escaped(&mut self, rest: &str) {
        let escaped = rest.chars().nth(1).filter(|&escaped| escaped != '\n');
        if escaped.is_some() || self.word != Open::Nothing {
            self.build();
        }
        self.as_written = false;
        self.at = self.at.saturating_add(1);
        if let Some(escaped) = escaped {
            self.take(escaped.len_utf8());
            self.digits = false;
        } else {
            self.at = self.at.saturating_add(1).min(self.end);
        }
    }

    /// A redirection ends the word before it, and swallows the descriptor that touches it.
    fn redirect(&mut self, what: Redirection) {
        (self.as_written, self.redirects) = (false, true);
        if self.word != Open::Nothing && self.digits {
            self.word = Open::Nothing;
        }
        self.finish();
        self.give_up();
        self.pending = Some(what);
    }

    /// Ends the word that is being read, if there is one.
    fn finish(&mut self) {
        let (range, is_built) = match core::mem::replace(&mut self.word, Open::Nothing) {
            Open::Nothing => return,
            Open::Piece(begin) => (begin..self.at, false),
            Open::Built(begin) => (begin..self.words.built.len(), true),
        };
        let word = Word {
            range,
            is_built,
            redirected: self.pending.is_some(),
        };
        if let Some(what) = self.pending.take() {
            self.words.opaque |= what.is_opaque(self.words.text(&word).as_bytes());
        }
        self.words.words.push(word);
    }

    /// Judges a redirection that has found no word.
    fn give_up(&mut self) {
        if let Some(what) = self.pending.take() {
            self.words.opaque |= what.is_opaque(b"");
        }
    }
}
