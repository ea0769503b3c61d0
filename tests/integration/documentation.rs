//! The documentation says what the code does.

use cavra::api::ProblemKind;
use cavra::cli::Exit;
use cavra::config::Setting;
use cavra::fault::FallbackCode;
use cavra::signing::RefusalCode;
use cavra::signing::trust::Role;
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
fn every_kind_of_problem_is_documented_in_the_words_of_the_code() {
    let page = read("docs/http.md");
    let rows: Vec<String> = ProblemKind::ALL
        .iter()
        .map(|kind| {
            format!(
                "| `{}` | {} | {} | {} |",
                kind.word(),
                kind.status().as_u16(),
                kind.title(),
                kind.meaning()
            )
        })
        .collect();
    let problems = page.split("| word | status | title | when |").nth(1).unwrap();
    let table: Vec<&str> = problems
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(table, rows);
}

/// The rows of the table under this header.
fn rows_under<'a>(page: &'a str, header: &str) -> Vec<&'a str> {
    let rest = page
        .split(header)
        .nth(1)
        .unwrap_or_else(|| panic!("no table {header}"));
    rest.lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect()
}

#[test]
fn every_reason_for_a_refusal_is_documented_in_the_words_of_the_code() {
    let page = read("docs/signing.md");
    let rows: Vec<String> = RefusalCode::TABLE
        .iter()
        .map(|(_, word, meaning)| format!("| `{word}` | {meaning} |"))
        .collect();
    assert_eq!(rows_under(&page, "| code | when |"), rows);
    for (code, word, _) in RefusalCode::TABLE {
        assert_eq!(serde_json::to_value(code).unwrap(), *word);
        assert_eq!(code.as_str(), *word);
    }
    let roles: Vec<String> = Role::TABLE
        .iter()
        .map(|(_, word, meaning)| format!("| `{word}` | {meaning} |"))
        .collect();
    assert_eq!(rows_under(&page, "| role | signs |"), roles);
}

#[test]
fn every_check_of_a_module_is_documented_in_the_words_of_the_code() {
    use cavra::authors::CheckId;
    let page = read("docs/module-authors.md");
    let rows: Vec<String> = CheckId::TABLE
        .iter()
        .map(|(_, word, meaning)| format!("| `{word}` | {meaning} |"))
        .collect();
    assert_eq!(rows_under(&page, "| check | passes when |"), rows);
    for (id, word, _) in CheckId::TABLE {
        assert_eq!(serde_json::to_value(id).unwrap(), *word);
        assert_eq!(id.as_str(), *word);
    }
}

#[test]
fn the_threat_model_names_tests_that_there_are() {
    let page = read("docs/threat-model.md");
    let rows = rows_under(&page, "| …this | can | cannot | shown by |");
    assert!(rows.len() >= 20, "{}", rows.len());
    for row in rows {
        let test = row.rsplit('`').nth(1).unwrap();
        let (module, name) = test.rsplit_once("::").unwrap();
        let file = format!("tests/integration/{}.rs", module.replace("::", "/"));
        let source = read(&file);
        assert!(
            source.contains(&format!("#[test]\nfn {name}()")),
            "{row}: {file} has no such test"
        );
    }
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
    // Some leave files behind; what is a user's own elsewhere is made here.
    let dir = tempfile::tempdir().unwrap();
    let own = ("CAVRA_EVIDENCE_KEY", "evidence.key");
    let (mut exported, mut run) = (vec![own], 0);
    for line in text.lines() {
        let Some(command) = line.strip_prefix("    $ ") else {
            // What is exported is so until the end of its example.
            exported.truncate(1);
            continue;
        };
        if let Some((name, value)) = command.strip_prefix("export ").and_then(|it| it.split_once('=')) {
            exported.push((name, value));
        }
        if !command.starts_with("cavra ")
            || command.starts_with("cavra serve")
            || command.contains(['<', '>', '|'])
        {
            continue;
        }
        let output = cavra(words(command).iter().skip(1))
            .command()
            .current_dir(dir.path())
            .envs(exported.iter().copied())
            .output()
            .unwrap();
        assert!(
            matches!(output.status.code(), Some(0 | 2 | 4)),
            "{command}: {output:?}"
        );
        run += 1;
    }
    assert!(run >= 4, "{run} commands");
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

#[test]
fn every_fault_of_a_log_and_every_masking_rule_is_documented() {
    let page = read("docs/evidence.md");
    for (kind, word, meaning) in cavra::evidence::verify::FaultKind::TABLE {
        let row = format!("| `{word}` | {meaning} |");
        assert!(page.lines().any(|line| line == row), "{row}");
        assert_eq!(serde_json::to_value(kind).unwrap(), *word);
        assert_eq!(kind.as_str(), *word);
    }
    for rule in cavra::evidence::mask::rules() {
        assert!(page.contains(&format!("`{rule}`")), "{rule}");
    }
}

#[test]
fn everything_that_a_replay_can_want_for_is_documented_in_the_words_of_the_code() {
    use cavra::replay::Obstacle;
    let page = read("docs/replay.md");
    let table = page.split("| missing | meaning |").nth(1).unwrap();
    let table = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let rows = Obstacle::TABLE
        .iter()
        .map(|(_, word, meaning)| format!("| `{word}` | {meaning} |"));
    assert_eq!(table.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
    for (obstacle, word, _) in Obstacle::TABLE {
        assert_eq!(serde_json::to_value(obstacle).unwrap(), *word);
        assert_eq!(obstacle.as_str(), *word);
    }
}
