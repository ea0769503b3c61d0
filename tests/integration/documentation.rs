//! The documentation says what the code does.

use cavra::cli::Exit;
use cavra::config::Setting;
use cavra::fault::FallbackCode;
use integration_tests::{cavra, root};

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn every_fallback_code_is_documented_in_the_words_of_the_code() {
    let page = read("docs/fallbacks.md");
    let rows: Vec<String> = FallbackCode::TABLE
        .iter()
        .map(|(_, word, meaning)| format!("| `{word}` | {meaning} |"))
        .collect();
    let table: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(table, rows);
    for (code, word, _) in FallbackCode::TABLE {
        assert_eq!(
            serde_json::to_value(code).unwrap(),
            *word,
            "the word in a document is the word of the table"
        );
        assert_eq!(code.as_str(), *word);
    }
}

#[test]
fn every_setting_is_documented() {
    let page = read("docs/settings.md");
    let rows: Vec<String> = Setting::ALL
        .iter()
        .map(|it| {
            let default = if it.default().is_empty() {
                String::new()
            } else {
                format!("`{}`", it.default())
            };
            format!(
                "| `--{}` | `{}` | {default} | {} |",
                it.flag(),
                it.env(),
                it.help()
            )
        })
        .collect();
    let table: Vec<&str> = page.lines().filter(|line| line.starts_with("| `--")).collect();
    assert_eq!(table, rows);
}

#[test]
fn every_exit_status_is_documented() {
    let page = read("README.md");
    for exit in [
        Exit::Done,
        Exit::Failure,
        Exit::Blocked,
        Exit::Usage,
        Exit::Approval,
    ] {
        let status = exit as u8;
        assert!(page.contains(&format!("| {status} | ")), "{exit:?}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages = vec!["README.md".to_owned()];
    pages.extend(
        std::fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|entry| format!("docs/{}", entry.unwrap().file_name().to_string_lossy())),
    );
    for page in pages {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") || link.starts_with('#') {
                continue;
            }
            let target = root()
                .join(&page)
                .parent()
                .unwrap()
                .join(link.split('#').next().unwrap());
            assert!(target.exists(), "{page} links to {link}");
        }
    }
}

/// Commands of the README are run as they stand there.
#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let text = read("README.md");
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    $ "))
        .filter(|line| {
            line.starts_with("cavra ") && !line.contains('<') && !line.contains('>') && !line.contains('|')
        })
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    // Some leave files behind.
    let dir = tempfile::tempdir().unwrap();
    for command in commands {
        let mut run = cavra(words(command).iter().skip(1)).command();
        let output = run.current_dir(dir.path()).output().unwrap();
        assert!(
            matches!(output.status.code(), Some(0 | 2 | 4)),
            "{command}: {output:?}"
        );
    }
}

/// Splits a command line at blanks outside double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
