//! What counts as space (decision semantics, the words *trim* and *blank*).

/// Removes Unicode White_Space and U+001C–U+001F from both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}'))
}

/// Whether `c` is a blank: a space or a tab.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Whether `text` is a number of at least one ASCII digit.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trim_removes_white_space_and_the_four_separators() {
        assert_eq!(trim("\u{a0}\u{2003}\n\u{85} a b\t\u{1c}\u{1f}\r"), "a b");
        assert_eq!(trim("\u{1d} \u{1e}"), "");
    }

    #[test]
    fn trim_keeps_what_is_not_white_space() {
        for invisible in ["\u{200b}", "\u{180e}", "\u{feff}", "\u{1b}"] {
            assert_eq!(trim(invisible), invisible);
        }
    }

    #[test]
    fn a_blank_is_a_space_or_a_tab() {
        assert!(is_blank(' ') && is_blank('\t'));
        assert!(!is_blank('\n') && !is_blank('\r') && !is_blank('\u{a0}'));
    }

    #[test]
    fn a_number_is_ascii_digits() {
        assert!(is_number("0") && is_number("20"));
        assert!(
            !is_number("") && !is_number("+5") && !is_number("-5") && !is_number("1k") && !is_number("٣")
        );
    }
}
