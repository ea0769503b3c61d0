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
use crate::paths::{self, Dots, Marks, Reading};
use crate::subject::{Starts, Subject};
use alloc::vec::Vec;

impl PathSearch<'_> {
    /// The first pattern that matches the first tail that is matched, of a word that
    /// is not matched itself.
    pub(crate) fn first_of_tails(&self, word: &[u8], marks: Marks) -> Option<u32> {
        if !marks.has(Marks::SIGN) {
            return None;
        }
        let begins_tail = |&(_, byte): &(usize, &u8)| Marks::of_byte(*byte).has(Marks::SIGN);
        let tails: Vec<usize> = (1..)
            .zip(word)
            .filter(begins_tail)
            .map(|(tail, _)| tail)
            .collect();
        let mut first = None;
        for Reading { path, workspace } in self.workspace.readings(word, marks) {
            let written = Trunk::written(&path, &tails);
            if !marks.has(Marks::SEPARATOR) || written.is_resolved() {
                first = earlier(first, self.first_of_trunk(&written, workspace));
                continue;
            }
            let tidied = Trunk::grown(&path, &tails, Dots::Kept);
            let resolved = Trunk::grown(&path, &tails, Dots::Resolved);
            first = earlier(first, self.first_of_trunk(&written, None));
            if tidied != resolved {
                first = earlier(first, self.first_of_trunk(&tidied, None));
            }
            first = earlier(first, self.first_of_trunk(&resolved, workspace));
        }
        self.first(word.get(first?..)?)
    }

    /// The first tail that is matched in the form that this trunk gives it.
    fn first_of_trunk(&self, trunk: &Trunk, workspace: Option<&[u8]>) -> Option<usize> {
        let graft = workspace
            .map(|workspace| trunk.graft(workspace))
            .unwrap_or_default();
        let here = earlier(trunk.here, graft.here).filter(|_| self.matches(b"."));
        let root = trunk.root.filter(|_| self.matches(b"/"));
        let anchored = self.first_anchored(trunk, &graft.shoots);
        let reaching = self.first_reaching(trunk, &graft.shoots);
        [here, root, anchored, reaching, self.first_led(trunk, workspace)]
            .into_iter()
            .flatten()
            .min()
    }

    fn matches(&self, form: &[u8]) -> bool {
        self.first_of_form(form).is_some()
    }

    /// The first tail with a pattern that begins where the tail does.
    fn first_anchored(&self, trunk: &Trunk, grafted: &[Shoot]) -> Option<usize> {
        let standing = || trunk.standing().chain(grafted);
        let possible = standing().filter(|shoot| self.set.may_begin(trunk.form(shoot)));
        let mut places: Vec<usize> = possible.map(|shoot| shoot.at).collect();
        if places.is_empty() {
            return None;
        }
        places.sort_unstable();
        let subject = Subject {
            text: &trunk.text,
            starts: Starts::At(&places),
        };
        let place = self.set.leftmost(&subject, self.floor)?;
        standing()
            .filter(|shoot| shoot.at == place)
            .map(|shoot| shoot.tail)
            .min()
    }

    /// The first matched tail that patterns match behind any slash.
    fn first_reaching(&self, trunk: &Trunk, grafted: &[Shoot]) -> Option<usize> {
        let mut longest = usize::MAX;
        let mut first = None;
        for shoot in trunk.standing().chain(grafted) {
            let form = trunk.form(shoot);
            if shoot.at < longest && paths::reaches_out(form) {
                longest = shoot.at;
                first = earlier(first, self.matches(form).then_some(shoot.tail));
            }
        }
        first
    }

    /// The first matched tail whose form begins with what the trunk has not. The longest is
    /// tried. The others differ from it only in their beginning, and are tried where
    /// a pattern may tell.
    fn first_led(&self, trunk: &Trunk, workspace: Option<&[u8]>) -> Option<usize> {
        let all =
            self.set.leading().floating || workspace.is_some_and(|workspace| workspace.starts_with(b".."));
        let (mut longest, mut beginning) = (true, Vec::new());
        let mut tried = trunk
            .shoots
            .iter()
            .filter(|shoot| shoot.lead != Lead::Nothing)
            .filter(|shoot| {
                core::mem::take(&mut longest) || all || self.may_begin_in_lead(trunk, shoot, &mut beginning)
            });
        let matched = tried.find(|shoot| {
            let form = trunk.led_form(shoot);
            let inside = workspace.and_then(|workspace| paths::inside(&form, workspace));
            self.matches(&form) || inside.is_some_and(|inside| self.matches(inside))
        });
        matched.map(|shoot| shoot.tail)
    }

    /// Whether a pattern that begins without a star may begin in the lead of this tail. `form` is
    /// room for its beginning.
    fn may_begin_in_lead(&self, trunk: &Trunk, shoot: &Shoot, form: &mut Vec<u8>) -> bool {
        let longest = self.set.leading().longest;
        // A literal can tell no more climbs apart than it holds.
        let lead = match shoot.lead {
            Lead::Climbs(climbs) => Lead::Climbs(climbs.min(longest.div_ceil(CLIMB.len()))),
            lead => lead,
        };
        form.clear();
        lead.write(form);
        let places = 0..form.len();
        form.extend(trunk.form(shoot).iter().take(longest));
        places
            .step_by(CLIMB.len())
            .any(|place| self.set.may_lead(form, place))
    }
}

/// One step up.
const CLIMB: &[u8] = b"../";

fn earlier(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one.into_iter().chain(other).min()
}

/// What the form of a tail begins with before it goes on as the trunk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    Nothing,
    /// So many `../`, because nothing of the tail is left for them to take back.
    Climbs(usize),
    /// This letter and `:/`: a drive, which `..` does not take back. The trunk has lost it.
    Drive(u8),
}

impl Lead {
    fn write(self, form: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Climbs(climbs) => (0..climbs).for_each(|_| form.extend(CLIMB)),
            Self::Drive(letter) => form.extend([letter, b':', b'/']),
        }
    }
}

/// The form of a tail: a lead, and a suffix of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shoot {
    /// Where the tail begins in the word.
    tail: usize,
    /// Where the suffix begins in the trunk.
    at: usize,
    lead: Lead,
}

/// A form of a word of which the forms of its tails are suffixes.
#[derive(Debug, PartialEq, Eq)]
struct Trunk {
    /// Begins with `/` whether or not the word does: a tail may begin there (`a=/b`).
    text: Vec<u8>,
    /// In the order of the tails.
    shoots: Vec<Shoot>,
    /// The first tail whose form is `/`.
    root: Option<usize>,
    /// The first tail whose form is `.`.
    here: Option<usize>,
}

impl Trunk {
    /// The word as it is written.
    fn written(word: &[u8], tails: &[usize]) -> Self {
        let lead: &[u8] = if word.starts_with(b"/") { b"" } else { b"/" };
        let shoot = |&tail: &usize| Shoot {
            tail,
            at: tail.saturating_add(lead.len()),
            lead: Lead::Nothing,
        };
        let shoots = tails.iter().map(shoot).collect();
        Self {
            text: [lead, word].concat(),
            shoots,
            root: None,
            here: None,
        }
    }

    /// The word without `//`, `.` segments and, if they are resolved, `..` segments; read
    /// from the right, so that what a tail's form is has been settled when its beginning is reached.
    fn grown(word: &[u8], tails: &[usize], dots: Dots) -> Self {
        let shoots = Vec::with_capacity(tails.len());
        let mut trunk = Self {
            text: Vec::with_capacity(word.len()),
            shoots,
            root: None,
            here: None,
        };
        let mut grown = Grown {
            segments: Vec::new(),
            length: 0,
            climbs: 0,
            dots,
        };
        let mut end = word.len();
        let mut tails = tails.iter().copied().rev().peekable();
        for segment in word.rsplit(|&byte| byte == b'/') {
            let begin = end.saturating_sub(segment.len());
            while let Some(tail) = tails.next_if(|&tail| tail >= begin) {
                let stub = word.get(tail..end).unwrap_or_default();
                trunk.shoot(tail, stub, end == word.len(), &grown);
            }
            grown.take(segment);
            end = begin.saturating_sub(1);
        }
        for segment in grown.segments.iter().rev() {
            trunk.text.push(b'/');
            trunk.text.extend(*segment);
        }
        for shoot in &mut trunk.shoots {
            shoot.at = trunk.text.len().saturating_sub(shoot.at);
        }
        trunk.shoots.reverse();
        trunk
    }

    /// Notes the form of the tail that begins with `stub` and goes on with what has
    /// grown; `at` counts from the end as yet.
    fn shoot(&mut self, tail: usize, stub: &[u8], ends: bool, grown: &Grown<'_>) {
        let mut push = |at, lead| self.shoots.push(Shoot { tail, at, lead });
        let behind = grown.length.saturating_sub(1);
        let climbs = match (stub, grown.climbs) {
            (b"", _) if ends => return push(0, Lead::Nothing),
            (b"", _) if grown.length == 0 => return self.root = Some(tail),
            (b"", _) => return push(grown.length, Lead::Nothing),
            (b".", climbs) => climbs,
            (b"..", climbs) if grown.dots == Dots::Resolved => climbs.saturating_add(1),
            (_, 0) => return push(stub.len().saturating_add(grown.length), Lead::Nothing),
            ([letter, b':'], _) if letter.is_ascii_alphabetic() => return push(behind, Lead::Drive(*letter)),
            (_, climbs) => climbs.saturating_sub(1),
        };
        match climbs {
            0 if grown.length == 0 => self.here = Some(tail),
            0 => push(behind, Lead::Nothing),
            climbs => push(behind, Lead::Climbs(climbs)),
        }
    }

    /// Whether nothing of the word or of a tail is to be tidied or resolved.
    fn is_resolved(&self) -> bool {
        let is_dots = |shoot: &Shoot| {
            matches!(
                self.form(shoot),
                b"." | b".." | [b'.', b'/', ..] | [b'.', b'.', b'/', ..]
            )
        };
        paths::is_resolved(&self.text) && !self.shoots.iter().any(is_dots)
    }

    /// The tails whose forms are suffixes of the trunk and nothing else.
    fn standing(&self) -> impl Iterator<Item = &Shoot> {
        self.shoots.iter().filter(|shoot| shoot.lead == Lead::Nothing)
    }

    /// The form of a tail that stands, or what is behind the lead.
    fn form(&self, shoot: &Shoot) -> &[u8] {
        self.text.get(shoot.at..).unwrap_or_default()
    }

    /// The form of a tail with its lead.
    fn led_form(&self, shoot: &Shoot) -> Vec<u8> {
        let mut form = Vec::new();
        shoot.lead.write(&mut form);
        form.extend(self.form(shoot));
        if form.ends_with(b"/") {
            form.pop();
        }
        form
    }

    /// The forms of the tails relative to the workspace. What lies below an absolute
    /// workspace is left out: patterns match there anyway.
    fn graft(&self, workspace: &[u8]) -> Graft {
        let absolute = paths::reaches_out(workspace);
        let mut graft = Graft {
            shoots: Vec::new(),
            here: self.root.filter(|_| workspace == b"/"),
        };
        for shoot in self.standing() {
            let form = self.form(shoot);
            if form == workspace {
                graft.here = earlier(graft.here, Some(shoot.tail));
            } else if !absolute && let Some(rest) = paths::inside(form, workspace) {
                graft.shoots.push(Shoot {
                    at: self.text.len().saturating_sub(rest.len()),
                    ..*shoot
                });
            }
        }
        graft
    }
}

/// The forms of tails relative to the workspace.
#[derive(Default)]
struct Graft {
    shoots: Vec<Shoot>,
    /// The first tail that is the workspace itself.
    here: Option<usize>,
}

/// What a trunk is made of while it is read from the right.
struct Grown<'w> {
    /// The segments that stay, the last first.
    segments: Vec<&'w [u8]>,
    /// Their length with a slash before each.
    length: usize,
    /// How many `..` wait for a segment to take back.
    climbs: usize,
    dots: Dots,
}

impl<'w> Grown<'w> {
    fn take(&mut self, segment: &'w [u8]) {
        if matches!(segment, b"" | b".") {
            return;
        }
        if segment == b".." && self.dots == Dots::Resolved {
            self.climbs = self.climbs.saturating_add(1);
        } else if self.climbs > 0 {
            self.climbs = self.climbs.saturating_sub(1);
        } else {
            self.segments.push(segment);
            self.length = self.length.saturating_add(segment.len()).saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
