//! Reading a tree that may be wrong in several places.
//!
//! Each method answers `None` after it has noted the fault, so that the caller
//! goes on and the user sees every fault of a file at once.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::document::{Entry, Node, Shape, is_exact};
use super::error::{Fault, Faults, Place, Position, Warning, quoted, visible};
use super::problem::{Advice, Problem};

/// The path to a value, as a list that grows towards its end.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    above: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

/// How a path is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// `commands.block[3]`, for YAML.
    Dotted,
    /// `/commands/block/3`, for JSON (RFC 6901).
    Pointer,
}

impl<'a> Path<'a> {
    pub(super) const ROOT: Path<'static> = Path {
        above: None,
        step: Step::Root,
    };

    pub(super) fn key(&'a self, key: &'a str) -> Path<'a> {
        Path {
            above: Some(self),
            step: Step::Key(key),
        }
    }

    pub(super) fn index(&'a self, index: usize) -> Path<'a> {
        Path {
            above: Some(self),
            step: Step::Index(index),
        }
    }

    /// The keys from the root; indexes are left out.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys = self.above.map(Path::keys).unwrap_or_default();
        if let Step::Key(key) = self.step {
            keys.push(key.to_owned());
        }
        keys
    }

    pub(super) fn render(&self, notation: Notation) -> String {
        let mut text = self.above.map(|above| above.render(notation)).unwrap_or_default();
        match (self.step, notation) {
            (Step::Root, _) => {}
            (Step::Key(key), Notation::Dotted) => {
                if !text.is_empty() {
                    text.push('.');
                }
                let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                if !key.is_empty() && key.chars().all(plain) {
                    text.push_str(key);
                } else {
                    text.push_str(&quoted(key));
                }
            }
            (Step::Key(key), Notation::Pointer) => {
                text.push('/');
                text.push_str(&visible(&key.replace('~', "~0").replace('/', "~1")));
            }
            (Step::Index(index), Notation::Dotted) => {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "[{index}]");
            }
            (Step::Index(index), Notation::Pointer) => {
                let _ = write!(text, "/{index}");
            }
        }
        text
    }
}

/// Proof that a fault was noted: only [`Reader::fault`] makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted(());

/// What is read of one file, and what was found on the way.
pub(super) struct Reader<'a> {
    file: &'a str,
    notation: Notation,
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, notation: Notation) -> Self {
        Self {
            file,
            notation,
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What was read and the warnings, or every fault.
    pub(super) fn finish<T>(mut self, read: Result<T, Noted>) -> Result<(T, Vec<Warning>), Faults> {
        self.faults.sort_by_key(|fault| fault.place.position);
        match read {
            Ok(read) if self.faults.is_empty() => Ok((read, self.warnings)),
            _ => Err(Faults::noted(self.faults)),
        }
    }

    pub(super) fn fault(&mut self, path: &Path<'_>, at: Option<Position>, problem: Problem) -> Noted {
        let place = self.place(path, at);
        self.faults.push(Fault { place, problem });
        Noted(())
    }

    pub(super) fn warn(&mut self, path: &Path<'_>, at: Option<Position>, advice: Advice) {
        let place = self.place(path, at);
        self.warnings.push(Warning { place, advice });
    }

    fn place(&self, path: &Path<'_>, position: Option<Position>) -> Place {
        Place {
            file: self.file.to_owned(),
            position,
            key: path.render(self.notation),
        }
    }

    /// The entries of an object.
    pub(super) fn object<'n>(&mut self, node: &'n Node, path: &Path<'_>) -> Result<&'n [Entry], Noted> {
        match &node.shape {
            Shape::Object(entries) => Ok(entries),
            Shape::Null => Err(self.fault(path, node.at, Problem::Null { instead: "`{}`" })),
            _ => Err(self.wrong(node, path, "an object", None)),
        }
    }

    /// The items of a list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, path: &Path<'_>) -> Result<&'n [Node], Noted> {
        match &node.shape {
            Shape::List(items) => Ok(items),
            Shape::Null => Err(self.fault(path, node.at, Problem::Null { instead: "`[]`" })),
            Shape::Text(_) => Err(self.wrong(node, path, "a list", Some("put it into `[…]`"))),
            _ => Err(self.wrong(node, path, "a list", None)),
        }
    }

    /// A string.
    pub(super) fn text<'n>(&mut self, node: &'n Node, path: &Path<'_>) -> Result<&'n str, Noted> {
        match &node.shape {
            Shape::Text(text) => Ok(text),
            Shape::Null => Err(self.fault(path, node.at, Problem::Null { instead: "a text" })),
            Shape::Number(_) | Shape::Flag(_) => Err(self.wrong(node, path, "a string", Some("quote it"))),
            _ => Err(self.wrong(node, path, "a string", None)),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, node: &Node, path: &Path<'_>) -> Result<bool, Noted> {
        match &node.shape {
            Shape::Flag(flag) => Ok(*flag),
            Shape::Null => Err(self.fault(
                path,
                node.at,
                Problem::Null {
                    instead: "`true` or `false`",
                },
            )),
            _ => Err(self.wrong(node, path, "true or false", None)),
        }
    }

    /// Any value, whose numbers every reader of JSON understands alike.
    pub(super) fn any(&mut self, node: &Node, path: &Path<'_>) -> Result<Value, Noted> {
        match &node.shape {
            Shape::Number(number) if !is_exact(number) => {
                Err(self.fault(path, node.at, Problem::InexactNumber))
            }
            Shape::List(items) => {
                let read = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| self.any(item, &path.index(i)));
                all(read).map(Value::Array)
            }
            Shape::Object(entries) => {
                let read = entries.iter().map(|entry| {
                    let value = self.any(&entry.node, &path.key(&entry.key))?;
                    Ok((entry.key.clone(), value))
                });
                let read: Result<Vec<_>, Noted> = all(read);
                read.map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>()))
            }
            _ => Ok(node.to_json()),
        }
    }

    pub(super) fn wrong(
        &mut self,
        node: &Node,
        path: &Path<'_>,
        expected: &'static str,
        hint: Option<&'static str>,
    ) -> Noted {
        self.fault(
            path,
            node.at,
            Problem::WrongKind {
                expected,
                found: node.kind(),
                hint,
            },
        )
    }

    pub(super) fn unknown_key(&mut self, entry: &Entry, path: &Path<'_>, known: &[&'static str]) -> Noted {
        self.fault(
            path,
            entry.at,
            Problem::UnknownKey {
                known: known.to_vec(),
            },
        )
    }

    /// One word of a closed list.
    pub(super) fn word<'n>(
        &mut self,
        node: &'n Node,
        path: &Path<'_>,
        known: &[&'static str],
    ) -> Result<&'n str, Noted> {
        let word = self.text(node, path)?;
        if known.contains(&word) {
            return Ok(word);
        }
        let problem = Problem::UnknownWord {
            word: word.to_owned(),
            known: known.to_vec(),
        };
        Err(self.fault(path, node.at, problem))
    }
}

/// Reads every item before it gives up, unlike `collect`, which stops at the first fault.
pub(super) fn all<T>(read: impl Iterator<Item = Result<T, Noted>>) -> Result<Vec<T>, Noted> {
    let mut good = Ok(Vec::new());
    for item in read {
        match (item, &mut good) {
            (Ok(item), Ok(items)) => items.push(item),
            (Ok(_), Err(_)) => {}
            (Err(noted), _) => good = Err(noted),
        }
    }
    good
}

/// Removes Unicode White_Space and U+001C–U+001F from both ends: the *trim* of
/// the decision semantics.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}
