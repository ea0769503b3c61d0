//! What is taken for a secret in a text: the rules of masking.

use std::sync::LazyLock;

use regex::{RegexSet, RegexSetBuilder};

/// A value of an option or variable: quoted, or up to a blank or what ends a word.
pub(super) const VALUE: &str = r#"(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"';&|)}\],]+)"#;
/// A word of a shell: what is quoted, escaped and plain, side by side; or a quote that
/// never ends.
pub(super) const WORD: &str = r#"(?:(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\;&|)])+|["'][^\n]+)"#;
/// What names of secrets end in.
pub(super) const NAMES: &str = r"(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|secret[_-]?key(?:[_-]?base)?|signing[_-]?key|encryption[_-]?key|access[_-]?key[_-]?id|credentials?|signature|connection[_-]?string)";

/// The rules: the name, and a pattern whose last group is what is masked. They are
/// looked for without regard to case, unless they say otherwise.
pub(super) const RULES: [(&str, &str); 12] = [
    (
        "private-key",
        r"(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))",
    ),
    (
        "authorization",
        r#"\b(?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?([^"'\r\n\\]+)"#,
    ),
    (
        "header",
        r#"\b(?:x-api-key|api-key|x-auth-token|x-access-token|private-token|job-token|x-vault-token|x-amz-security-token|x-csrf-token|set-cookie|cookie)\\?["']?\s*:\s*\\?["']?([^"'\r\n\\]+)"#,
    ),
    ("url", r#"\b[a-z][a-z0-9+.-]*://([^\s/?#"'<>]+)@"#),
    (
        "flag",
        r"(?:^|[\s'\x22=])--?(?:[a-z0-9]+[_-])*(?:NAMES|pass|pwd|auth|bearer)(?:\s*=\s*|\s+)(WORD)",
    ),
    (
        "assignment",
        r#"(?:\b|_)(?:[a-z0-9_.-]*NAMES|[a-z0-9]+_(?:pass|pwd|key|auth|pat))\\?["']?\s*(?::=|[:=])\s*\\?(VALUE)"#,
    ),
    (
        "user",
        r"(?:^|\s)(?:-u\s*|--(?:proxy-)?user(?:\s+|=))(\x22[^\x22:]*:[^\x22]*\x22|'[^':]*:[^']*'|[^\s:'\x22]+:[^\s'\x22]+)",
    ),
    (
        "password-option",
        r"\b(?:(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|7z)\b[^|;&\n]*?\s(?-i:-p)\s*(WORD)|redis-cli\b[^|;&\n]*?\s(?-i:-a)\s*(WORD)|(?:smbclient|htpasswd|unzip|zip)\b[^|;&\n]*?\s(?-i:-P)\s*(WORD)|(?:docker|podman|nerdctl|buildah|skopeo|helm)\b[^|;&\n]*?\slogin\b[^|;&\n]*?\s(?-i:-p)\s*(WORD))",
    ),
    ("bearer", r"\bbearer\s+\\?[\x22']?([a-z0-9\-._~+/]{6,}=*)"),
    (
        "token",
        r"(?-i)\b((?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{16,}|xox[a-z]-[\w-]{10,}|xapp-[\w-]{10,}|sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{10,}|whsec_\w{16,}|npm_\w{20,}|pypi-[\w-]{16,}|hvs\.[\w-]{16,}|hvb\.[\w-]{16,}|dop_v1_[a-f0-9]{32,}|SG\.[\w-]{16,}\.[\w-]{16,}|ya29\.[\w-]{16,}|EAA[A-Za-z0-9]{24,}|hf_[A-Za-z0-9]{20,}|dckr_pat_[\w-]{16,}|AGE-SECRET-KEY-1[A-Z0-9]{20,}|cavra_[A-Za-z0-9._-]{1,64}_[0-9a-f]{64}))",
    ),
    (
        "cloud-key",
        r"(?-i)\b((?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{12,}|AIza[\w-]{30,}|LTAI[A-Za-z0-9]{12,}|GOOG1E[A-Z0-9]{20,})",
    ),
    ("web-token", r"(?-i)\b(eyJ[\w-]{6,}\.eyJ[\w-]{4,}\.[\w-]*)"),
];

/// The rules that know a secret by its form, whatever stands beside it.
const BY_FORM: [&str; 3] = ["token", "cloud-key", "web-token"];

/// Whether there is something in a text that has the form of a secret.
pub(crate) fn has_form_of_secret(text: &str) -> bool {
    static FORMS: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
        let of_form = RULES.iter().filter(|(name, _)| BY_FORM.contains(name));
        // Secrets of these forms are ASCII; of all of Unicode this would be large.
        RegexSetBuilder::new(of_form.map(|(_, pattern)| pattern))
            .unicode(false)
            .build()
            .ok()
    });
    // What cannot be looked for is taken to be there.
    FORMS.as_ref().is_none_or(|forms| forms.is_match(text))
}
