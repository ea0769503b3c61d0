//! A strict reader of Prometheus text 0.0.4 and OpenMetrics 1.0: what a scraper would
//! refuse, it refuses.

use std::collections::{BTreeMap, BTreeSet};

/// One metric family.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) help: String,
    /// Name and labels, and the value.
    pub(super) series: BTreeMap<(String, Vec<(String, String)>), f64>,
}

/// Reads an exposition.
pub(super) fn read(text: &str, open_metrics: bool) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'), "the last line has an end");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut ended = false;
    for line in text.lines() {
        assert!(!ended, "nothing follows the end: {line}");
        if line == "# EOF" {
            assert!(open_metrics);
            ended = true;
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!families.contains_key(name), "{name} comes twice");
            name.clone_into(&mut current);
            families.entry(current.clone()).or_default().help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current, "TYPE follows HELP");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            families.get_mut(name).unwrap().kind = kind.to_owned();
        } else {
            let (name, labels, value) = series(line);
            let family = families.get_mut(&current).unwrap();
            check_name(&name, &current, &family.kind, open_metrics);
            let before = family.series.insert((name, labels), value);
            assert_eq!(before, None, "a series comes twice: {line}");
        }
    }
    assert_eq!(ended, open_metrics);
    for (name, family) in &families {
        if family.kind == "histogram" {
            check_histogram(name, family);
        }
        assert!(!family.series.is_empty(), "{name} has no series");
    }
    families
}

fn check_name(name: &str, family: &str, kind: &str, open_metrics: bool) {
    let rest = name
        .strip_prefix(family)
        .unwrap_or_else(|| panic!("{name} is not of {family}"));
    let fine = match kind {
        "counter" if open_metrics => rest == "_total",
        "counter" => rest.is_empty() && name.ends_with("_total"),
        "histogram" => ["_bucket", "_sum", "_count"].contains(&rest),
        _ => rest.is_empty(),
    };
    assert!(fine, "{name} in {family}, a {kind}");
}

fn series(line: &str) -> (String, Vec<(String, String)>, f64) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = line.find(|c| !word(c)).unwrap();
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(label.chars().all(word), "{line}");
            let mut value = String::new();
            let mut chars = after.char_indices();
            let end = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next().unwrap().1 {
                        'n' => value.push('\n'),
                        c @ ('\\' | '"') => value.push(c),
                        other => panic!("\\{other} in {line}"),
                    },
                    (_, c) => value.push(c),
                }
            };
            labels.push((label.to_owned(), value));
            rest = &after[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    let names: BTreeSet<&String> = labels.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), labels.len(), "a label comes twice: {line}");
    let value = rest.strip_prefix(' ').unwrap();
    (
        name.to_owned(),
        labels,
        value.parse().unwrap_or_else(|_| panic!("{line}")),
    )
}

/// Names and values.
type Labels = Vec<(String, String)>;

fn check_histogram(name: &str, family: &Family) {
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for ((series, labels), value) in &family.series {
        if series.ends_with("_bucket") {
            let (le, others): (Vec<_>, Vec<_>) = labels.iter().cloned().partition(|(label, _)| label == "le");
            let bound = le[0].1.replace("+Inf", "inf").parse().unwrap();
            buckets.entry(others).or_default().push((bound, *value));
        }
    }
    assert!(!buckets.is_empty(), "{name}");
    for (labels, mut buckets) in buckets {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(
            buckets.is_sorted_by(|a, b| a.1 <= b.1),
            "{name} {labels:?} is cumulative"
        );
        let (bound, all) = *buckets.last().unwrap();
        assert!(bound.is_infinite());
        let of = |suffix: &str| family.series[&(format!("{name}{suffix}"), labels.clone())];
        assert_eq!(of("_count"), all, "{name} {labels:?}");
        assert!(of("_sum") >= 0.0);
    }
}
