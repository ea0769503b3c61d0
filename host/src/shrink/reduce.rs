//! Delta debugging over JSON: what can be taken away while something stays true.

use serde_json::{Map, Value};

/// Removes from `items` as much as can go while `keeps` holds of the rest: halves first,
/// then smaller parts, until no single one can go.
pub(super) fn minimise<T: Clone>(mut items: Vec<T>, mut keeps: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut size = items.len();
    while size > 0 {
        let mut removed = false;
        let mut at = 0_usize;
        while at < items.len() {
            let end = at.saturating_add(size);
            let rest: Vec<T> = items
                .iter()
                .take(at)
                .chain(items.iter().skip(end))
                .cloned()
                .collect();
            if keeps(&rest) {
                items = rest;
                removed = true;
            } else {
                at = end;
            }
        }
        // The last that went may have been what held another.
        if size > 1 || !removed {
            size /= 2;
        }
    }
    items
}

/// Where the texts are below `at` in `document`, as JSON pointers.
pub(super) fn texts(document: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(value) = document.pointer(at) {
        collect(value, at.to_owned(), &mut found);
    }
    found
}

fn collect(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at),
        Value::Array(_) | Value::Object(_) => {
            for (pointer, child) in children(value, &at) {
                collect(child, pointer, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a value holds, each with its JSON pointer.
pub(super) fn children<'a>(value: &'a Value, at: &str) -> Vec<(String, &'a Value)> {
    let below = |name: &str| [at, "/", name].concat();
    match value {
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.map(|(i, item)| (below(&i.to_string()), item)).collect()
        }
        Value::Object(map) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            map.iter()
                .map(|(key, item)| (below(&escaped(key)), item))
                .collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// `document` with another value at `at`.
pub(super) fn replaced(document: &Value, at: &str, value: Value) -> Value {
    let mut document = document.clone();
    if let Some(place) = document.pointer_mut(at) {
        *place = value;
    }
    document
}

/// Searches for a smallest document of which `holds` is true.
pub(super) struct Search<F> {
    document: Value,
    holds: F,
}

impl<F: FnMut(&Value) -> bool> Search<F> {
    /// Begins with a document of which `holds` is true.
    pub(super) fn new(document: Value, holds: F) -> Self {
        Self { document, holds }
    }

    /// Makes the document as small as it gets: nothing that lies below `among` can be taken
    /// away any more - no member, no element, no character. Texts below `of` also lose what
    /// they have in common with texts below `with`, at once.
    pub(super) fn run(mut self, among: &[&str], of: &str, with: &[&str]) -> Value {
        loop {
            let before = self.document.clone();
            for at in among {
                self.thin(at);
            }
            self.shorten_together(of, with);
            for at in among {
                for text in texts(&self.document, at) {
                    self.shorten(&text);
                }
            }
            if self.document == before {
                return self.document;
            }
        }
    }

    fn take(&mut self, candidate: Value) -> bool {
        let better = candidate != self.document && (self.holds)(&candidate);
        if better {
            self.document = candidate;
        }
        better
    }

    /// Removes members and elements, from the outside in.
    fn thin(&mut self, at: &str) {
        match self.document.pointer(at).cloned() {
            Some(Value::Array(items)) => {
                minimise(items, |rest| {
                    let candidate = replaced(&self.document, at, Value::Array(rest.to_vec()));
                    self.take(candidate)
                });
            }
            Some(Value::Object(members)) => {
                let members: Vec<(String, Value)> = members.into_iter().collect();
                minimise(members, |rest| {
                    let rest: Map<String, Value> = rest.iter().cloned().collect();
                    let candidate = replaced(&self.document, at, Value::Object(rest));
                    self.take(candidate)
                });
            }
            _ => {}
        }
        let below = self.document.pointer(at).map(|value| children(value, at));
        let below: Vec<String> = below.into_iter().flatten().map(|(at, _)| at).collect();
        for at in below {
            self.thin(&at);
        }
    }

    /// Removes characters of one text.
    fn shorten(&mut self, at: &str) {
        let Some(Value::String(text)) = self.document.pointer(at) else {
            return;
        };
        minimise(text.chars().collect(), |rest| {
            let candidate = replaced(&self.document, at, rest.iter().collect::<String>().into());
            self.take(candidate)
        });
    }

    /// Removes parts of the texts below `of` from them and from all texts below `with`: a
    /// command and the pattern that matches it can only lose a word together.
    fn shorten_together(&mut self, of: &str, with: &[&str]) {
        for at in texts(&self.document, of) {
            let mut size = self.characters(&at).len();
            while size > 0 {
                let mut start = 0_usize;
                while start < self.characters(&at).len() {
                    if !self.remove_together(&at, start, size, with) {
                        start = start.saturating_add((size / 4).max(1));
                    }
                }
                size /= 2;
            }
        }
    }

    fn remove_together(&mut self, at: &str, start: usize, size: usize, with: &[&str]) -> bool {
        let text = self.characters(at);
        let part: String = text.iter().skip(start).take(size).collect();
        let after = text.iter().skip(start.saturating_add(size));
        let rest: String = text.iter().take(start).chain(after).collect();
        let mut candidate = replaced(&self.document, at, rest.into());
        for other in with.iter().flat_map(|place| texts(&self.document, place)) {
            if let Some(Value::String(text)) = candidate.pointer_mut(&other) {
                *text = text.replacen(&part, "", 1);
            }
        }
        self.take(candidate)
    }

    fn characters(&self, at: &str) -> Vec<char> {
        let text = self.document.pointer(at).and_then(Value::as_str);
        text.unwrap_or_default().chars().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_needed_stays_and_nothing_else() {
        let items: Vec<u32> = (0..100).collect();
        let rest = minimise(items, |rest| rest.contains(&7) && rest.contains(&93));
        assert_eq!(rest, [7, 93]);
        // What could go only after a later one had gone goes too.
        let rest = minimise(vec!['a', 'b'], |rest| rest.contains(&'a') || rest.is_empty());
        assert!(rest.is_empty());
        let rest = minimise(vec![1, 2, 3], |rest| !rest.contains(&3) || rest.contains(&1));
        assert!(rest.is_empty(), "{rest:?}");
    }

    #[test]
    fn a_document_loses_everything_but_what_holds() {
        let document = json!({
            "policy": {"commands": {"block": ["rm *", "git push origin main*"], "allow": ["ls"]}, "x": {"y/z": 1}},
            "request": {"target": "git push origin main --force", "workspace": "/w", "action": "a"},
        });
        let mut trials = 0;
        let holds = |it: &Value| {
            trials += 1;
            let block = it.pointer("/policy/commands/block").and_then(Value::as_array);
            let target = it
                .pointer("/request/target")
                .and_then(Value::as_str)
                .unwrap_or_default();
            block
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .any(|pattern| {
                    let literal = pattern.trim_end_matches('*');
                    pattern.contains("push") && target.starts_with(literal) && target.contains("--f")
                })
        };
        let small = Search::new(document, holds).run(&["/policy", "/request"], "/request", &["/policy"]);
        assert_eq!(
            small,
            json!({"policy": {"commands": {"block": ["push"]}}, "request": {"target": "push--f"}})
        );
        assert!(trials < 1000, "{trials}");
    }
}
