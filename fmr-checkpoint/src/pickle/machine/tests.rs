//! Pickles in both notations, and malformed ones.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::limits::Budget;
use crate::source::Source;

/// The value of a pickle in a compact notation.
fn show(pickle: &[u8]) -> Result<String, String> {
    let source = Source::memory(pickle.to_vec());
    let budget = Budget::default();
    let mut heap = Heap::new(&budget);
    let id =
        load(&mut Cursor::new(&source, source.span(), &budget), &mut heap).map_err(|fault| format!("{fault:?}"))?;
    Ok(render(&heap, id))
}

fn render(heap: &Heap<'_>, id: Id) -> String {
    let list = |ids: &[Id]| {
        let parts: Vec<String> = ids.iter().map(|&id| render(heap, id)).collect();
        parts.join(" ")
    };
    match heap.get(id) {
        Value::None => "None".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::LargeInt => "large".into(),
        Value::Float(x) => format!("{x:?}"),
        Value::Str(text) => format!("{text:?}"),
        Value::Bytes(span) => format!("b{}", span.len),
        Value::Tuple(ids) => format!("({})", list(ids)),
        Value::List(ids) => format!("[{}]", list(ids)),
        Value::Set(ids) => format!("<{}>", list(ids)),
        Value::Dict(items) => {
            let flat: Vec<Id> = items.iter().flat_map(|&(k, v)| [k, v]).collect();
            format!("{{{}}}", list(&flat))
        }
        Value::Global(..) => {
            let (module, name) = heap.global(id).unwrap_or_default();
            format!("{module}:{name}")
        }
        Value::Object(object) => format!("{}{}", render(heap, object.callable), render(heap, object.arguments)),
        Value::Persistent(id) => format!("@{}", render(heap, *id)),
    }
}

#[test]
fn text_and_binary_protocols_give_the_same_values() {
    let text = b"(dp0\nS'a'\np1\n(lp2\nI1\naL-2L\naF2.5\naI01\naNasV\xc3\xa9\n(I1\nI2\nts.";
    assert_eq!(show(text).unwrap(), "{\"a\" [1 -2 2.5 true None] \"é\" (1 2)}");
    let binary = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01](K\x01J\xfe\xff\xff\xffG\x40\x04\x00\x00\x00\x00\x00\x00\x88NeX\x02\x00\x00\x00\xc3\xa9K\x01K\x02\x86u.";
    assert_eq!(show(binary).unwrap(), show(text).unwrap());
}

#[test]
fn calls_stay_descriptions() {
    let pickle = b"cos\nsystem\n(S'rm -rf /'\ntR.";
    assert_eq!(show(pickle).unwrap(), "os:system(\"rm -rf /\")");
    let pickle = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x94)\x81h\x00\x87Q.";
    assert!(show(pickle).unwrap_err().contains("empty"));
}

#[test]
fn long_integers_keep_their_sign() {
    assert_eq!(show(b"\x8a\x00.").unwrap(), "0");
    assert_eq!(show(b"\x8a\x01\xff.").unwrap(), "-1");
    assert_eq!(show(b"\x8a\x02\xff\x00.").unwrap(), "255");
    assert_eq!(show(b"\x8a\x09\0\0\0\0\0\0\0\0\x01.").unwrap(), "large");
}

#[test]
fn malformed_pickles_are_refused() {
    for pickle in [
        b"".as_slice(),
        b".",
        b"(.",
        b"0.",
        b"t.",
        b"K",
        b"}K\x01s.",
        b"}(K\x01u.",
        b"K\x01K\x01a.",
        b"h\x05.",
        b"X\xff\xff\xff\xffabc.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x8b\xff\xff\xff\x7f.",
        b"\xff.",
        b"Iabc\n.",
        b"(K\x01(R.",
    ] {
        assert!(show(pickle).is_err(), "{pickle:?}");
    }
}

#[test]
fn a_list_may_hold_itself() {
    let source = Source::memory(b"]q\0h\0a.".to_vec());
    let budget = Budget::default();
    let mut heap = Heap::new(&budget);
    let id = load(&mut Cursor::new(&source, source.span(), &budget), &mut heap).unwrap();
    assert_eq!(heap.sequence(id), Some([id].as_slice()));
}
