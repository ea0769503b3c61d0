//! What ties a request to what others know of it: `x-correlation-id` and the W3C's
//! `traceparent`.

use std::sync::Arc;

use crate::clock::IdSource;
use crate::evidence::has_form_of_secret;

/// The header that a correlation is taken from and given back in.
pub const CORRELATION_HEADER: &str = "x-correlation-id";
/// The W3C's header.
pub const TRACEPARENT: &str = "traceparent";

const PREFIX: &str = "corr_";
const MAX_CHARS: usize = 128;

/// The span of a caller that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent<'a> {
    /// 32 lower-case hex digits, not all 0.
    pub trace_id: &'a str,
    /// 16 lower-case hex digits, not all 0.
    pub span_id: &'a str,
    /// The flags; bit 0: sampled.
    pub flags: u8,
}

/// Under which id a request is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// In decisions and logs: always begins with `corr_`.
    pub id: Arc<str>,
    /// How much of `id` precedes what is given back: the caller gets back its own word.
    ours: usize,
}

impl Correlation {
    /// The caller's own id, if it is one; else its trace; else a new one.
    pub fn of(given: Option<&str>, parent: Option<Parent<'_>>, ids: &dyn IdSource) -> Self {
        match given.filter(|given| acceptable(given)) {
            Some(given) if given.starts_with(PREFIX) => Self {
                id: given.into(),
                ours: 0,
            },
            Some(given) => Self {
                id: [PREFIX, given].concat().into(),
                ours: PREFIX.len(),
            },
            None => Self {
                id: match parent {
                    Some(parent) => [PREFIX, parent.trace_id].concat().into(),
                    None => [PREFIX, &ids.next_id()].concat().into(),
                },
                ours: 0,
            },
        }
    }

    /// What the answer's header says.
    pub fn header(&self) -> &str {
        self.id.get(self.ours..).unwrap_or(&self.id)
    }
}

/// Letters, digits and `._:-`, at most 128: nothing that could end a line of a log or a
/// header, or fill either. And nothing that looks like a token, because it will stand in
/// logs and records.
fn acceptable(given: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"._:-".contains(&c);
    let secret = || has_form_of_secret(given.strip_prefix(PREFIX).unwrap_or(given));
    !given.is_empty() && given.len() <= MAX_CHARS && given.bytes().all(plain) && !secret()
}

impl<'a> Parent<'a> {
    /// Reads a `traceparent`; none where it is not valid.
    pub fn read(header: &'a str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may have more parts, this one has not.
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let fine = hex(version, 2)
            && version != "ff"
            && hex(trace_id, 32)
            && hex(span_id, 16)
            && hex(flags, 2)
            && trace_id.bytes().any(|it| it != b'0')
            && span_id.bytes().any(|it| it != b'0');
        fine.then_some(Self {
            trace_id,
            span_id,
            flags: u8::from_str_radix(flags, 16).ok()?,
        })
    }
}

fn hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl IdSource for Fixed {
        fn next_id(&self) -> String {
            "f".repeat(32)
        }
    }

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_callers_word_comes_before_its_trace_before_a_new_one() {
        let parent = Parent::read(PARENT);
        let of = |given, parent| {
            let it = Correlation::of(given, parent, &Fixed);
            (it.id.to_string(), it.header().to_owned())
        };
        let pair = |id: &str, header: &str| (id.to_owned(), header.to_owned());
        assert_eq!(of(Some("req-1"), parent), pair("corr_req-1", "req-1"));
        assert_eq!(of(Some("corr_1"), None), pair("corr_1", "corr_1"));
        let trace = "corr_4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(of(None, parent), pair(trace, trace));
        let fresh = format!("corr_{}", "f".repeat(32));
        let too_long = "x".repeat(129);
        let token = ["ghp_", &"a1B2".repeat(9)].concat();
        let prefixed = [PREFIX, &token].concat();
        let own = ["cavra_ci-runner_", &"0a".repeat(32)].concat();
        for refused in [
            "", "a b", "a\"b", "a\nb", "é", "a/b", &too_long, &token, &prefixed, &own,
        ] {
            assert_eq!(of(Some(refused), None), pair(&fresh, &fresh), "{refused:?}");
        }
        let longest = "x".repeat(128);
        assert_eq!(of(Some(&longest), None).1, longest);
    }

    #[test]
    fn a_traceparent_is_read_as_the_w3c_says() {
        let parent = Parent::read(PARENT).unwrap();
        assert_eq!(parent.span_id, "00f067aa0ba902b7");
        assert_eq!(parent.flags, 1);
        let later = PARENT.replacen("00", "cc", 1) + "-more";
        assert!(Parent::read(&later).is_some());
        for wrong in [
            "",
            "00",
            &PARENT.to_uppercase(),
            &format!("{PARENT}-more"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace("-01", "-1"),
            &PARENT.replace("-01", "-0x"),
        ] {
            assert_eq!(Parent::read(wrong), None, "{wrong}");
        }
    }
}
