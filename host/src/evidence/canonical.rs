//! Canonical JSON (RFC 8785), written in one go.
//!
//! The types of a record declare their fields in canonical order, so that nothing has
//! to be collected and sorted. That this comes to the same bytes as a canonicalizer
//! that knows nothing of it is what the tests below hold.

use std::cmp::Ordering;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::{Map, Value};

use super::EvidenceError;

/// The integers up to here are what they are in JavaScript too.
const EXACT: u64 = 1 << 53;

/// The canonical JSON of what declares its fields in canonical order.
///
/// # Errors
/// When a number is not one of JSON's.
pub(super) fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, EvidenceError> {
    let mut out = Vec::with_capacity(4096);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Canonical);
    value
        .serialize(&mut serializer)
        .map_err(EvidenceError::canonical)?;
    Ok(out)
}

/// Writes numbers as JavaScript does; all else serde_json writes as RFC 8785 asks.
struct Canonical;

impl Formatter for Canonical {
    fn write_u64<W: ?Sized + Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        if value <= EXACT {
            return CompactFormatter.write_u64(writer, value);
        }
        number(writer, &value)
    }

    fn write_i64<W: ?Sized + Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        if value.unsigned_abs() <= EXACT {
            return CompactFormatter.write_i64(writer, value);
        }
        number(writer, &value)
    }

    fn write_u128<W: ?Sized + Write>(&mut self, writer: &mut W, value: u128) -> io::Result<()> {
        number(writer, &value)
    }

    fn write_i128<W: ?Sized + Write>(&mut self, writer: &mut W, value: i128) -> io::Result<()> {
        number(writer, &value)
    }

    fn write_f32<W: ?Sized + Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        number(writer, &value)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        number(writer, &value)
    }
}

fn number<W: ?Sized + Write>(writer: &mut W, value: &impl Serialize) -> io::Result<()> {
    writer.write_all(&serde_json_canonicalizer::to_vec(value)?)
}

/// The order of keys in RFC 8785: by UTF-16 code units.
fn order(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

/// A value whose objects are written in canonical order, at any depth.
pub(super) struct Sorted<'a>(pub(super) &'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => SortedMap(members).serialize(serializer),
            Value::Array(items) => {
                let mut out = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    out.serialize_element(&Sorted(item))?;
                }
                out.end()
            }
            other => other.serialize(serializer),
        }
    }
}

/// An object that is written in canonical order, at any depth.
pub(super) struct SortedMap<'a>(pub(super) &'a Map<String, Value>);

impl Serialize for SortedMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members: Vec<(&String, &Value)> = self.0.iter().collect();
        // In the order of their bytes already, which is another only beyond U+FFFF.
        if !members.is_sorted_by(|(one, _), (other, _)| order(one, other).is_lt()) {
            members.sort_by(|(one, _), (other, _)| order(one, other));
        }
        let mut out = serializer.serialize_map(Some(members.len()))?;
        for (key, value) in members {
            out.serialize_entry(key, &Sorted(value))?;
        }
        out.end()
    }
}

/// For fields that hold any value.
pub(super) fn sorted<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    Sorted(value).serialize(serializer)
}

/// For a request.
pub(super) fn sorted_request<S: Serializer>(
    request: &Option<Map<String, Value>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    request.as_ref().map(SortedMap).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::testing::{full, sparse};
    use crate::evidence::{Entry, Event, Gap, Hash, Pruned, Recovered, Sealed};

    /// Keys and texts that are ordered or escaped in a way of their own.
    const TEXTS: &[&str] = &[
        "",
        "a",
        "B",
        "\u{7f}\u{0}\u{1f}\t\n\r\u{8}\u{c}",
        "\"quoted\" \\ / </script>",
        "\u{2028}\u{e000}",
        "\u{fffd}",
        "\u{10000}",
        "\u{1f600} smile",
        "é",
        "e\u{301}",
    ];

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::sample::select(TEXTS).prop_map(str::to_owned),
            proptest::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-20_i64..20).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (any::<i32>(), -30..30_i32).prop_map(|(n, e)| Value::from(f64::from(n) * 10_f64.powi(e))),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((text(), inner), 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn theirs(value: &impl Serialize) -> String {
        String::from_utf8(serde_json_canonicalizer::to_vec(value).unwrap()).unwrap()
    }

    fn ours(value: &impl Serialize) -> String {
        String::from_utf8(to_vec(value).unwrap()).unwrap()
    }

    #[test]
    fn the_numbers_of_the_standard_are_written_as_it_says() {
        // RFC 8785, appendix B, and the integers around the last that JavaScript has.
        for (bits, text) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(ours(&Sorted(&Value::from(f64::from_bits(bits)))), text);
        }
        assert_eq!(ours(&u64::MAX), "18446744073709552000");
        assert_eq!(ours(&(EXACT + 1)), "9007199254740992");
        assert_eq!(ours(&i64::MIN), "-9223372036854776000");
    }

    proptest! {
        #[test]
        fn any_value_is_written_as_a_canonicalizer_writes_it(value in value()) {
            prop_assert_eq!(ours(&Sorted(&value)), theirs(&value));
        }

        #[test]
        fn any_record_is_written_as_a_canonicalizer_writes_it(
            (text, value, members, number) in (text(), value(), proptest::collection::vec((text(), value()), 0..8), any::<u64>())
        ) {
            for mut record in [full(), sparse()] {
                record.request = Some(members.iter().cloned().collect());
                record.evaluation_id.clone_from(&text);
                record.outcome.effective_decision.target.clone_from(&text);
                record.settings.reference_limits.load_fuel = number;
                for it in record.outcome.parity_diff.iter_mut().flatten() {
                    it.go.clone_from(&value);
                }
                let event = Event::Evaluation(Box::new(record));
                prop_assert_eq!(ours(&event), theirs(&event));
                let entry = Entry::new(number, &Hash::of(b""), event).unwrap();
                prop_assert_eq!(ours(&entry), theirs(&entry));
            }
        }
    }

    #[test]
    fn every_kind_of_event_is_written_and_read_again() {
        let mut sealed = full();
        sealed.masking.sealed = Some(Sealed {
            recipient: "age1example".to_owned(),
            sha256: Hash::of(b"").to_string(),
        });
        let gap = Gap {
            evaluations: 2,
            first_evaluation_id: "eval_1".to_owned(),
            first_time: "2026-01-01T00:00:00Z".to_owned(),
            last_evaluation_id: "eval_2".to_owned(),
            last_time: "2026-01-01T00:00:01Z".to_owned(),
            reason: "no space".to_owned(),
        };
        let recovered = Recovered {
            bytes: 7,
            kept_in: "torn".to_owned(),
            segment: "segment".to_owned(),
            sha256: Hash::of(b"").to_string(),
        };
        let pruned = Pruned {
            entries: 9,
            kept_in: "pruned".to_owned(),
            segment: "segment".to_owned(),
        };
        for event in [
            Event::Evaluation(Box::new(full())),
            Event::Evaluation(Box::new(sparse())),
            Event::Evaluation(Box::new(sealed)),
            Event::Gap(gap),
            Event::Recovered(recovered),
            Event::Pruned(pruned),
        ] {
            let entry = Entry::new(3, &Hash::NONE, event).unwrap();
            assert_eq!(ours(&entry), theirs(&entry));
            let line = entry.to_line().unwrap();
            assert_eq!(serde_json::from_slice::<Entry>(&line).unwrap(), entry);
        }
    }
}
