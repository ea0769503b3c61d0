//! Reading a command line as POSIX sh (decision semantics, *Commands*, 2 and 3):
//! parts, words, redirections, and what makes a line opaque.

use alloc::string::String;
use alloc::vec::Vec;

use crate::text::{is_blank, is_number, trim};

/// The separator that `text` begins with, the longest that fits.
fn separator(text: &str) -> Option<&'static str> {
    match text.as_bytes() {
        [b'&', b'&', ..] => Some("&&"),
        [b'|', b'|', ..] => Some("||"),
        [b'|', b'&', ..] => Some("|&"),
        [b';', ..] => Some(";"),
        [b'|', ..] => Some("|"),
        [b'&', ..] => Some("&"),
        [b'\n', ..] => Some("\n"),
        _ => None,
    }
}

/// The operator of a redirection that `text` begins with, the longest that fits.
fn redirection(text: &str) -> Option<&'static str> {
    match text.as_bytes() {
        [b'&', b'>', b'>', ..] => Some("&>>"),
        [b'&', b'>', ..] => Some("&>"),
        [b'<', b'<', b'<', ..] => Some("<<<"),
        [b'<', b'<', b'-', ..] => Some("<<-"),
        [b'<', b'<', ..] => Some("<<"),
        [b'<', b'&', ..] => Some("<&"),
        [b'<', b'>', ..] => Some("<>"),
        [b'<', ..] => Some("<"),
        [b'>', b'>', ..] => Some(">>"),
        [b'>', b'&', ..] => Some(">&"),
        [b'>', b'|', ..] => Some(">|"),
        [b'>', ..] => Some(">"),
        _ => None,
    }
}

/// A command line, split.
#[derive(Debug)]
pub(crate) struct Line<'l> {
    /// The parts that are not empty, in order.
    pub(crate) parts: Vec<Part<'l>>,
    /// Whether the line does something that its words do not show.
    pub(crate) opaque: bool,
}

/// What stands between two separators.
#[derive(Debug)]
pub(crate) struct Part<'l> {
    /// The part as written, trimmed.
    pub(crate) text: &'l str,
    /// Whether the separator directly before it is `|` (not `|&`).
    pub(crate) after_pipe: bool,
    words: Words,
}

impl Part<'_> {
    /// The words, without redirections.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> + Clone {
        self.words.arguments()
    }

    /// The words, and the words after the operators of redirections, in order.
    pub(crate) fn words_and_redirection_targets(&self) -> impl Iterator<Item = &str> {
        self.words.words.iter().map(|word| word.text.as_str())
    }

    /// Whether the part has a redirection.
    pub(crate) fn is_redirected(&self) -> bool {
        self.words.redirected
    }
}

/// Splits a trimmed line at unquoted separators.
pub(crate) fn split(line: &str) -> Line<'_> {
    let mut lexer = Lexer {
        rest: line,
        opaque: false,
        one_part: false,
    };
    let mut split = Line {
        parts: Vec::new(),
        opaque: false,
    };
    let (mut part, mut after_pipe) = (line, false);
    while let Some(token) = lexer.next_token() {
        if let Token::Separator { operator, before } = token {
            let length = part.len().saturating_sub(before.len());
            split.add(part.get(..length).unwrap_or(part), after_pipe);
            (part, after_pipe) = (lexer.rest, operator == "|");
        }
    }
    split.add(part, after_pipe);
    split.opaque |= lexer.opaque;
    split
}

impl<'l> Line<'l> {
    fn add(&mut self, text: &'l str, after_pipe: bool) {
        let text = trim(text);
        if !text.is_empty() {
            let words = Words::of(text);
            self.opaque |= words.opaque;
            self.parts.push(Part {
                text,
                after_pipe,
                words,
            });
        }
    }
}

/// The words of a text that is read as one part.
#[derive(Debug, Default)]
pub(crate) struct Words {
    words: Vec<Word>,
    redirected: bool,
    opaque: bool,
}

#[derive(Debug)]
struct Word {
    text: String,
    /// Whether it follows the operator of a redirection.
    is_target: bool,
}

impl Words {
    /// Reads the words of a trimmed text. Separators are characters like others.
    pub(crate) fn of(part: &str) -> Self {
        let mut words = Self::default();
        let mut lexer = Lexer {
            rest: part,
            opaque: false,
            one_part: true,
        };
        // The operator of a redirection that still lacks its word.
        let mut pending = None;
        while let Some(token) = lexer.next_token() {
            match token {
                Token::Word(text) => {
                    let operator = pending.take();
                    words.opaque |= operator.is_some_and(|operator| is_opaque_redirection(operator, &text));
                    words.words.push(Word {
                        text,
                        is_target: operator.is_some(),
                    });
                }
                Token::Redirection(operator) => {
                    words.redirected = true;
                    let earlier = pending.replace(operator);
                    words.opaque |= earlier.is_some_and(|operator| is_opaque_redirection(operator, ""));
                }
                Token::Separator { .. } => {}
            }
        }
        words.opaque |= lexer.opaque || pending.is_some_and(|operator| is_opaque_redirection(operator, ""));
        words
    }

    /// The words, without redirections.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &str> + Clone {
        self.words
            .iter()
            .filter(|word| !word.is_target)
            .map(|word| word.text.as_str())
    }
}

/// Whether a redirection hides what the line does: a here-document, or one that
/// writes, except to a descriptor in digits or to `/dev/null`.
fn is_opaque_redirection(operator: &str, target: &str) -> bool {
    match operator {
        "<" | "<&" => false,
        ">" | ">>" | ">|" | "<>" => target != "/dev/null",
        ">&" => target != "/dev/null" && !is_number(target),
        _ => true,
    }
}

enum Token<'l> {
    /// An unquoted separator, and what was left of the text before it.
    Separator { operator: &'static str, before: &'l str },
    /// A redirection's operator; the digits that touch it are left out.
    Redirection(&'static str),
    /// A word, its quotes and escapes removed.
    Word(String),
}

struct Lexer<'l> {
    rest: &'l str,
    /// Whether something was seen that makes the line opaque.
    opaque: bool,
    /// Whether separators are characters like others.
    one_part: bool,
}

impl<'l> Lexer<'l> {
    fn next_token(&mut self) -> Option<Token<'l>> {
        loop {
            self.rest = self.rest.trim_start_matches(is_blank);
            if self.rest.is_empty() {
                return None;
            }
            if let Some(operator) = redirection(self.rest) {
                self.skip(operator);
                return Some(Token::Redirection(operator));
            }
            if !self.one_part
                && let Some(operator) = separator(self.rest)
            {
                let before = self.rest;
                self.skip(operator);
                return Some(Token::Separator { operator, before });
            }
            if let Some(word) = self.word() {
                return Some(Token::Word(word));
            }
        }
    }

    /// Reads up to the end of a word. There is none where only a `\` before a
    /// newline stands, or the digits that touch a redirection's operator.
    fn word(&mut self) -> Option<String> {
        let mut word = OpenWord::default();
        loop {
            word.text.push_str(self.take_until(is_special));
            if redirection(self.rest).is_some() {
                let is_descriptor = !word.quoted && is_number(&word.text);
                return if is_descriptor { None } else { word.finish() };
            }
            if let Some(operator) = separator(self.rest) {
                if !self.one_part {
                    return word.finish();
                }
                self.skip(operator);
                word.text.push_str(operator);
                continue;
            }
            if self.rest.starts_with(is_blank) {
                return word.finish();
            }
            match self.next_char() {
                None => return word.finish(),
                Some('\\') => self.escape(&mut word),
                Some('\'') => self.single_quotes(&mut word),
                Some('"') => self.double_quotes(&mut word),
                Some(c) => {
                    self.opaque |= match c {
                        '$' => self.rest.starts_with(['(', '{', '[', '\'']),
                        '#' => word.text.is_empty() && !word.quoted,
                        _ => matches!(c, '`' | '(' | ')'),
                    };
                    word.text.push(c);
                }
            }
        }
    }

    /// `\` outside quotes: the next character stands for itself; before a
    /// newline both vanish. At the end of the text `\` vanishes too: it may have
    /// stood before a newline that was trimmed away.
    fn escape(&mut self, word: &mut OpenWord) {
        match self.next_char() {
            Some('\n') => self.opaque = true,
            Some(escaped) => word.push_quoted(escaped),
            None => {}
        }
    }

    fn single_quotes(&mut self, word: &mut OpenWord) {
        word.quoted = true;
        word.text.push_str(self.take_until(|c| c == '\''));
        self.opaque |= self.next_char().is_none();
    }

    /// Inside double quotes `\` escapes `$`, a backtick, `"`, `\` and newline
    /// only, and expansions still take place.
    fn double_quotes(&mut self, word: &mut OpenWord) {
        word.quoted = true;
        loop {
            word.text
                .push_str(self.take_until(|c| matches!(c, '"' | '\\' | '`' | '$')));
            match self.next_char() {
                None => {
                    self.opaque = true;
                    return;
                }
                Some('"') => return,
                Some('\\') if self.rest.starts_with(['$', '`', '"', '\\', '\n']) => self.escape(word),
                Some(c) => {
                    self.opaque |= c == '`' || (c == '$' && self.rest.starts_with(['(', '{', '[']));
                    word.text.push(c);
                }
            }
        }
    }

    /// What comes before the first character that `ends` it, or all that is left.
    fn take_until(&mut self, ends: impl Fn(char) -> bool) -> &'l str {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn next_char(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn skip(&mut self, operator: &str) {
        self.rest = self.rest.strip_prefix(operator).unwrap_or_default();
    }
}

/// A word that is being read.
#[derive(Default)]
struct OpenWord {
    text: String,
    /// Whether any of it was quoted or escaped.
    quoted: bool,
}

impl OpenWord {
    fn push_quoted(&mut self, c: char) {
        self.quoted = true;
        self.text.push(c);
    }

    /// The word; an empty one exists only if it was quoted.
    fn finish(self) -> Option<String> {
        (self.quoted || !self.text.is_empty()).then_some(self.text)
    }
}

/// Whether a character outside quotes is more than itself, or may be.
fn is_special(c: char) -> bool {
    is_blank(c)
        || matches!(c, '&' | '|' | ';' | '<' | '>' | '\n')
        || matches!(c, '\\' | '\'' | '"' | '$' | '`' | '(' | ')' | '#')
}

#[cfg(test)]
mod tests;
