//! Every type in every order, against an encoder that was written for this and shares nothing with the reader.

use super::super::*;

const ORDERS: [Order; 4] = [Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba];

/// Sends big-endian bytes as a device with this order does: by naming the place of each byte.
fn sent(order: Order, big: &[u8]) -> Vec<u16> {
    let words = big.len() / 2;
    let byte = |word: usize, low: bool| {
        let (word, low) = match order {
            Order::Abcd => (word, low),
            Order::Cdab => (words - 1 - word, low),
            Order::Badc => (word, !low),
            Order::Dcba => (words - 1 - word, !low),
        };
        u16::from(big[2 * word + usize::from(low)])
    };
    (0..words).map(|word| byte(word, false) * 256 + byte(word, true)).collect()
}

fn read(form: Form, order: Order, words: &[u16]) -> Sent<'static> {
    let mut body = begin();
    push_words(&mut body, Table::Holding, 500, words);
    let register = Register { table: Table::Holding, address: 500, form, order };
    assert_eq!(usize::from(form.words()), words.len(), "{form:?}");
    Blocks::parse(&body).unwrap().value(&register)
}

#[test]
fn every_type_in_every_order() {
    let whole = Sent::Whole;
    let cases: Vec<(Form, Vec<u8>, Sent<'static>)> = vec![
        (Form::U16, vec![0xFE, 0xDC], whole(65_244)),
        (Form::I16, vec![0xFE, 0xDC], whole(-292)),
        (Form::U8 { high: true }, vec![0xFE, 0xDC], whole(254)),
        (Form::U8 { high: false }, vec![0xFE, 0xDC], whole(220)),
        (Form::I8 { high: true }, vec![0xFE, 0xDC], whole(-2)),
        (Form::I8 { high: false }, vec![0xFE, 0xDC], whole(-36)),
        (Form::U32, 0xFEDC_BA98_u32.to_be_bytes().to_vec(), whole(0xFEDC_BA98)),
        (Form::I32, (-19_088_744_i32).to_be_bytes().to_vec(), whole(-19_088_744)),
        (Form::U64, 0x0123_4567_89AB_CDEF_u64.to_be_bytes().to_vec(), whole(0x0123_4567_89AB_CDEF)),
        (Form::U64, u64::MAX.to_be_bytes().to_vec(), Sent::Digits("18446744073709551615".into())),
        (Form::I64, (-81_985_529_216_486_896_i64).to_be_bytes().to_vec(), whole(-81_985_529_216_486_896)),
        (Form::F16, vec![0x50, 0x8D], Sent::Float(36.4)),
        (Form::F16, vec![0xC0, 0x00], Sent::Float(-2.0)),
        (Form::F32, 36.4_f32.to_be_bytes().to_vec(), Sent::Float(36.4)),
        (Form::F32, 1_763_699_968_f32.to_be_bytes().to_vec(), Sent::Float(1_763_699_968.0)),
        (Form::F64, (-1.1e-7_f64).to_be_bytes().to_vec(), Sent::Float(-1.1e-7)),
        (Form::Bit(9), vec![0x02, 0x00], Sent::Flag(true)),
        (Form::Bits { from: 4, count: 5 }, vec![0x01, 0x70], whole(0b1_0111)),
        (Form::Bcd(1), vec![0x12, 0x34], whole(1_234)),
        (Form::Bcd(2), vec![0x12, 0x34, 0x56, 0x78], whole(12_345_678)),
        (Form::Bcd(4), vec![0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56], whole(1_234_567_890_123_456)),
        (Form::Bcd(1), vec![0x12, 0x3A], Sent::Structure("digits that are not decimal")),
    ];
    let mut seen = 0;
    for (form, big, want) in &cases {
        for order in ORDERS {
            assert_eq!(read(*form, order, &sent(order, big)), *want, "{form:?} {order:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 88);
    // The distance between orders is real: of eight different bytes no two orders read the same.
    let words = sent(Order::Abcd, &0x0123_4567_89AB_CDEF_u64.to_be_bytes());
    let read: Vec<_> = ORDERS.iter().map(|order| read(Form::U64, *order, &words)).collect();
    for a in 0..4 {
        assert!((0..a).all(|b| read[a] != read[b]), "{read:?}");
    }
}

#[test]
fn texts_end_at_zero_and_blanks_do_not_count() {
    for (order, bytes) in
        [(Order::Abcd, b"Pump 7  \0\0".as_slice()), (Order::Badc, b"uPpm7   \0\0".as_slice())]
    {
        let words: Vec<u16> =
            bytes.chunks_exact(2).map(|two| u16::from(two[0]) * 256 + u16::from(two[1])).collect();
        assert_eq!(read(Form::Text(5), order, &words), Sent::Text("Pump 7".into()));
    }
    assert_eq!(read(Form::Text(1), Order::Abcd, &[0xFFFE]), Sent::Structure("bytes that are no text"));
}

#[test]
fn halves_are_read_as_the_decimals_they_were_written_from() {
    for (bits, want) in [
        (0x3C00, 1.0),
        (0x2E66, 0.1),
        (0x0001, 6e-8),
        (0x7BFF, 65_504.0),
        (0x3555, 0.3333),
        (0x5640, 100.0),
        (0xB266, -0.2),
    ] {
        assert_eq!(read(Form::F16, Order::Abcd, &[bits]), Sent::Float(want), "{bits:#06x}");
    }
    assert_eq!(read(Form::F16, Order::Abcd, &[0x7C00]), Sent::Float(f64::INFINITY));
    assert!(matches!(read(Form::F16, Order::Abcd, &[0x7E00]), Sent::Float(nan) if nan.is_nan()));
}
