//! The tails of a word, tried as files: decision semantics, *Commands*, step 6.
//!
//! A word of 64 KiB can have tens of thousands of tails, each nearly as long, each with
//! all the forms of a path. Tried one by one they would take quadratic time. But the
//! forms of a tail are suffixes of what the whole word gives: the word itself, the
//! word without `//` and `.` segments, the word with `..` resolved. (Resolving from the
//! right, a segment is dropped or kept whatever stands to its left.) So each of these
//! [`Trunk`]s is searched once, and patterns may begin where the tails do.
//!
//! The whole word has been tried before and was not matched. That leaves out every
//! pattern that begins with a star or behind a slash: it would have matched the word.
//! What it does not leave out are tails that reach out (`=/etc`), whose patterns
//! may begin behind any slash. The longest of them that a trunk has is tried by itself:
//! all others are its suffixes.

use crate::files::PathSearch;
use crate::literals::count;
use crate::paths::{self, Reading};
use crate::subject::{Starts, Subject};
use alloc::string::String;
use alloc::vec::Vec;

/// What a tail begins behind.
const SIGNS: [char; 4] = ['=', ':', ',', '@'];

impl PathSearch<'_> {
    /// The first pattern that matches the first tail that is matched, of a word that
    /// is not matched itself.
    pub(crate) fn first_of_tails(&mut self, word: &str) -> Option<u32> {
        let tails: Vec<usize> = word.match_indices(SIGNS).map(|(at, sign)| at.saturating_add(sign.len())).collect();
        if tails.is_empty() {
            return None;
        }
        let mut first = None;
        for Reading { path, workspace } in self.workspace.readings(word) {
            let written = Trunk::written(&path, &tails);
            let tidied = Trunk::grown(&path, &tails, Dots::Kept);
            let resolved = Trunk::grown(&path, &tails, Dots::Resolved);
            // Mostly there is nothing to tidy or to resolve, and one trunk stands for all three.
            if written != tidied {
                first = earlier(first, self.first_of_trunk(&written, None));
            }
            if tidied != resolved {
                first = earlier(first, self.first_of_trunk(&tidied, None));
            }
            first = earlier(first, self.first_of_trunk(&resolved, workspace));
        }
        self.first(word.get(first?..)?)
    }

    /// The first tail that is matched in the form that this trunk gives it.
    fn first_of_trunk(&self, trunk: &Trunk, workspace: Option<&str>) -> Option<usize> {
        let matches = |form: &str| {
            let folded = form.to_ascii_lowercase();
            self.set.first(&Subject::path(folded.as_bytes()), self.floor).is_some()
        };
        let mut shoots = trunk.shoots.clone();
        let mut here = trunk.here;
        if let Some(workspace) = workspace {
            here = earlier(here, trunk.graft(workspace, &mut shoots));
        }
        let first = here.filter(|_| matches(".")).into_iter().chain(trunk.root.filter(|_| matches("/"))).min();
        let first = earlier(first, self.first_anchored(trunk, &shoots));
        let first = earlier(first, first_reaching(trunk, &shoots, matches));
        earlier(first, self.first_climbing(trunk, workspace, matches))
    }

    /// The first tail with a pattern that begins where the tail does.
    fn first_anchored(&self, trunk: &Trunk, shoots: &[Shoot]) -> Option<usize> {
        let mut places: Vec<u32> = shoots.iter().filter(|shoot| shoot.climbs == 0).map(|shoot| count(shoot.at)).collect();
        places.sort_unstable();
        let folded = trunk.text.to_ascii_lowercase();
        let subject = Subject { text: folded.as_bytes(), starts: Starts::At(&places) };
        let place = self.set.leftmost(&subject, self.floor)?;
        let there = shoots.iter().filter(|shoot| shoot.climbs == 0 && count(shoot.at) == place);
        there.map(|shoot| shoot.tail).min()
    }

    /// The first matched tail that begins with `..`. The longest is tried; the others
    /// differ from it only in how often they climb, and are tried too where a literal
    /// can tell.
    fn first_climbing(
        &self,
        trunk: &Trunk,
        workspace: Option<&str>,
        matches: impl Fn(&str) -> bool,
    ) -> Option<usize> {
        let all = self.set.has_climbing_literal() || workspace.is_some_and(|workspace| workspace.starts_with(".."));
        let climbing = trunk.shoots.iter().filter(|shoot| shoot.climbs > 0);
        let mut tried = climbing.take(if all { usize::MAX } else { 1 });
        tried
            .find(|shoot| {
                let form = trunk.climbing_form(shoot);
                matches(&form)
                    || workspace.and_then(|workspace| paths::inside(&form, workspace)).is_some_and(&matches)
            })
            .map(|shoot| shoot.tail)
    }
}

/// The first matched tail that patterns match behind any slash.
fn first_reaching(trunk: &Trunk, shoots: &[Shoot], matches: impl Fn(&str) -> bool) -> Option<usize> {
    let mut tried = usize::MAX;
    let reaching = shoots.iter().filter(|shoot| {
        let longer = shoot.climbs == 0 && shoot.at < tried && paths::reaches_out(trunk.form(shoot).as_bytes());
        if longer {
            tried = shoot.at;
        }
        longer
    });
    reaching.filter(|shoot| matches(trunk.form(shoot))).map(|shoot| shoot.tail).min()
}

fn earlier(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one.into_iter().chain(other).min()
}

/// What becomes of `..` segments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    Kept,
    Resolved,
}

/// The form of a tail, as a suffix of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shoot {
    /// Where the tail begins in the word.
    tail: usize,
    /// Where its form begins in the trunk.
    at: usize,
    /// How many `..` stand before that, because nothing of the tail is left for them to take back.
    climbs: usize,
}

/// A form of a word of which the forms of its tails are suffixes.
#[derive(Debug, PartialEq, Eq)]
struct Trunk {
    /// Begins with `/` whether or not the word does: a tail may begin there (`a=/b`).
    text: String,
    /// In the order of the tails.
    shoots: Vec<Shoot>,
    /// The first tail whose form is `/`.
    root: Option<usize>,
    /// The first tail whose form is `.`.
    here: Option<usize>,
}

impl Trunk {
    /// The word as it is written.
    fn written(word: &str, tails: &[usize]) -> Self {
        let lead = if word.starts_with('/') { "" } else { "/" };
        let shoot = |&tail: &usize| Shoot { tail, at: tail.saturating_add(lead.len()), climbs: 0 };
        let shoots = tails.iter().map(shoot).collect();
        Self { text: [lead, word].concat(), shoots, root: None, here: None }
    }

    /// The word without `//`, `.` segments and, if they are resolved, `..` segments; read
    /// from the right, so that what a tail's form is has been settled when its beginning is reached.
    fn grown(word: &str, tails: &[usize], dots: Dots) -> Self {
        let mut trunk = Self { text: String::new(), shoots: Vec::with_capacity(tails.len()), root: None, here: None };
        let mut grown = Grown { segments: Vec::new(), length: 0, climbs: 0, dots };
        let mut end = word.len();
        let mut tails = tails.iter().copied().rev().peekable();
        for segment in word.rsplit('/') {
            let begin = end.saturating_sub(segment.len());
            while let Some(tail) = tails.next_if(|&tail| tail >= begin) {
                let stub = word.get(tail..end).unwrap_or_default();
                trunk.shoot(tail, stub, end == word.len(), &grown);
            }
            grown.take(segment);
            end = begin.saturating_sub(1);
        }
        for segment in grown.segments.iter().rev() {
            trunk.text.push('/');
            trunk.text.push_str(segment);
        }
        for shoot in &mut trunk.shoots {
            shoot.at = trunk.text.len().saturating_sub(shoot.at);
        }
        trunk.shoots.reverse();
        trunk
    }

    /// Notes the form of the tail that begins with `stub` and goes on with what has
    /// grown; `at` counts from the end as yet.
    fn shoot(&mut self, tail: usize, stub: &str, ends: bool, grown: &Grown<'_>) {
        let climbs = match (stub, grown.climbs) {
            ("", _) if ends => return self.shoots.push(Shoot { tail, at: 0, climbs: 0 }),
            ("", _) if grown.length == 0 => return self.root = Some(tail),
            ("", _) => return self.shoots.push(Shoot { tail, at: grown.length, climbs: 0 }),
            (".", climbs) => climbs,
            ("..", climbs) if grown.dots == Dots::Resolved => climbs.saturating_add(1),
            (_, 0) => {
                let at = stub.len().saturating_add(grown.length);
                return self.shoots.push(Shoot { tail, at, climbs: 0 });
            }
            (_, climbs) => climbs.saturating_sub(1),
        };
        if climbs == 0 && grown.length == 0 {
            self.here = Some(tail);
        } else {
            self.shoots.push(Shoot { tail, at: grown.length.saturating_sub(1), climbs });
        }
    }

    /// The form of a tail that does not climb.
    fn form(&self, shoot: &Shoot) -> &str {
        self.text.get(shoot.at..).unwrap_or_default()
    }

    /// The form of a tail that climbs.
    fn climbing_form(&self, shoot: &Shoot) -> String {
        let mut form = "../".repeat(shoot.climbs);
        form.push_str(self.form(shoot));
        if form.ends_with('/') {
            form.pop();
        }
        form
    }

    /// Adds the forms relative to the workspace to `shoots`; gives the first tail that
    /// is the workspace itself. What lies below an absolute workspace is left out:
    /// patterns match there anyway.
    fn graft(&self, workspace: &str, shoots: &mut Vec<Shoot>) -> Option<usize> {
        let absolute = paths::reaches_out(workspace.as_bytes());
        let mut here = None;
        for shoot in self.shoots.iter().filter(|shoot| shoot.climbs == 0) {
            let form = self.form(shoot);
            if absolute && form.len() != workspace.len() {
                continue;
            }
            match paths::inside(form, workspace) {
                Some(".") if form.len() == workspace.len() => here = earlier(here, Some(shoot.tail)),
                Some(rest) => shoots.push(Shoot {
                    at: self.text.len().saturating_sub(rest.len()),
                    ..shoot.clone()
                }),
                None => {}
            }
        }
        here
    }
}

/// What a trunk is made of while it is read from the right.
struct Grown<'w> {
    /// The segments that stay, the last first.
    segments: Vec<&'w str>,
    /// Their length with a slash before each.
    length: usize,
    /// How many `..` wait for a segment to take back.
    climbs: usize,
    dots: Dots,
}

impl<'w> Grown<'w> {
    fn take(&mut self, segment: &'w str) {
        match segment {
            "" | "." => {}
            ".." if self.dots == Dots::Resolved => self.climbs = self.climbs.saturating_add(1),
            _ if self.climbs > 0 => self.climbs = self.climbs.saturating_sub(1),
            _ => {
                self.segments.push(segment);
                self.length = self.length.saturating_add(segment.len()).saturating_add(1);
            }
        }
    }
}
