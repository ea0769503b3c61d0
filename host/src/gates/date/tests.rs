use proptest::prelude::*;

use super::*;

fn seconds(text: &str) -> Option<f64> {
    let epoch = Moment::parse("1970-01-01").unwrap();
    Moment::parse(text).map(|moment| moment.days_after(epoch) * 86_400.0)
}

#[test]
fn dates_are_what_the_specification_says() {
    for (text, expected) in [
        ("1970-01-01", 0.0),
        ("1970-01-02T00:00Z", 86_400.0),
        ("1970-01-01T00:00:01", 1.0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T01:00+01:00", 0.0),
        ("1970-01-01T00:00:00-05:30", 19_800.0),
        ("1970-01-01T00:00:00.123456789123Z", 0.123_456_789),
        ("1970-01-01Z", 0.0),
        ("1969-12-31T23:59:59Z", -1.0),
        ("2024-02-29", 1_709_164_800.0),
        ("2000-02-29T12:00", 951_825_600.0),
    ] {
        let found = seconds(text).unwrap_or_else(|| panic!("{text}"));
        assert!((found - expected).abs() < 1e-3, "{text}: {found}");
    }
}

#[test]
fn nothing_else_is_a_date() {
    for text in [
        "",
        " 2026-11-25",
        "2026-11-25 ",
        "2026-11-25 10:00:00+00:00",
        "2026-11-25t10:00:00Z",
        "2026-11-25T10:00:00z",
        "20261125T100000+0000",
        "2026-11-25T10",
        "2026-11-25T10:00:00.Z",
        "2026-11-25T10:00:00,5Z",
        "2026-11-25T24:00:00Z",
        "2026-11-25T10:60Z",
        "2026-11-25T10:00:60Z",
        "2026-11-25T10:00:00+0530",
        "2026-11-25T10:00:00+24:00",
        "2026-11-25T10:00:00+05:60",
        "2026-11-25T10:00:00+05",
        "2026-11-25T",
        "2026-11-25T10:00:00ZZ",
        "2026-11-25T10:00:00 Z",
        "2026-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-1-1",
        "0000-01-01",
        "+2026-01-01",
        "-2026-01-01",
        "12026-01-01",
        "2026-W48-3",
        "2026-329",
        "1764064800",
        "Wed, 25 Nov 2026 10:00:00 +0000",
        "2026-11-25T10:00:00\u{ff10}",
        "２０２６-11-25",
        "now",
    ] {
        assert_eq!(Moment::parse(text), None, "{text:?}");
    }
}

#[test]
fn the_calendar_has_an_end() {
    let last = Moment::parse("9999-12-31T23:59:59.999999999Z").unwrap();
    assert_eq!(last, Moment::end());
    assert_eq!(last.to_string(), "9999-12-31T23:59:59.999999999Z");
    assert_eq!(last.plus_days(0.001), None);
    assert_eq!(last.plus_days(f64::MAX), None);
    assert!(Moment::parse("2026-01-01").unwrap().plus_days(30.0).is_some());
    assert!(Moment::parse("9999-12-31T23:59:59-23:59").unwrap() > last);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(seconds in -62_135_596_800_i64..253_402_300_800, nanos in 0_i32..1_000_000_000) {
        let moment = Moment(i128::from(seconds) * NANOS_A_SECOND + i128::from(nanos));
        prop_assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
    }

    #[test]
    fn the_clock_and_the_parser_agree(seconds in -62_135_596_800_i64..253_402_200_000) {
        let time = Timestamp::from_second(seconds).unwrap();
        prop_assert_eq!(Moment::parse(&time.to_string()), Some(Moment::from(time)));
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,40}") {
        let _ = Moment::parse(&text);
    }

    #[test]
    fn a_text_near_a_date_is_read_as_jiff_reads_it_or_not_at_all(
        text in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    ) {
        let ours = Moment::parse(&text);
        match text.parse::<Timestamp>() {
            // A leap second is one second earlier there, and no date here.
            Ok(time) if !text.contains(":60") => prop_assert_eq!(ours, Some(Moment::from(time))),
            _ => prop_assert_eq!(ours, None),
        }
    }
}
