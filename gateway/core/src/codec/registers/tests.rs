mod types;

use proptest::prelude::*;

use super::*;

fn register(table: Table, address: u16, form: Form, order: Order) -> Register {
    Register { table, address, form, order }
}

#[test]
fn reads_words_bits_and_two_word_values_in_every_order() {
    let mut body = begin();
    push_words(&mut body, Table::Input, 10, &[0xFFFE, 0x4211, 0x999A, 0x0102]);
    push_bits(&mut body, Table::Coil, 100, &[true, false, false, false, false, false, false, false, true]);
    push_refused(&mut body, Table::Holding, 0, 2, 2);
    let blocks = Blocks::parse(&body).unwrap();
    let value = |table, address, form, order| blocks.value(&register(table, address, form, order));
    assert_eq!(value(Table::Input, 10, Form::I16, Order::Abcd), Sent::Whole(-2));
    assert_eq!(value(Table::Input, 10, Form::U16, Order::Abcd), Sent::Whole(65_534));
    assert_eq!(value(Table::Input, 13, Form::U16, Order::Dcba), Sent::Whole(0x0201));
    assert_eq!(value(Table::Input, 11, Form::F32, Order::Abcd), Sent::Float(36.4));
    assert_eq!(value(Table::Input, 10, Form::I32, Order::Cdab), Sent::Whole(0x4211_FFFE));
    assert_eq!(value(Table::Input, 12, Form::U32, Order::Badc), Sent::Whole(0x9A99_0201));
    assert_eq!(value(Table::Input, 12, Form::U32, Order::Dcba), Sent::Whole(0x0201_9A99));
    assert_eq!(value(Table::Input, 10, Form::Bit(0), Order::Abcd), Sent::Flag(false));
    assert_eq!(value(Table::Input, 10, Form::Bit(15), Order::Abcd), Sent::Flag(true));
    assert_eq!(value(Table::Coil, 108, Form::Bit(0), Order::Abcd), Sent::Flag(true));
    assert_eq!(value(Table::Coil, 101, Form::Bit(0), Order::Abcd), Sent::Flag(false));
    assert_eq!(value(Table::Holding, 1, Form::U16, Order::Abcd), Sent::Null, "the unit refused it");
    for (table, address) in
        [(Table::Holding, 2), (Table::Input, 14), (Table::Coil, 109), (Table::Discrete, 100)]
    {
        assert_eq!(value(table, address, Form::Bit(0), Order::Abcd), Sent::Absent, "{table:?} {address}");
    }
    assert_eq!(value(Table::Input, 13, Form::U32, Order::Abcd), Sent::Absent, "half of it was polled");
}

#[test]
fn says_where_a_body_is_none() {
    for (body, why) in [
        (vec![], "byte 0: the body is empty"),
        (vec![9], "byte 0: format 9 is not known"),
        (vec![1, 3, 0], "byte 1: the head of a block is cut off"),
        (vec![1, 7, 0, 0, 0, 1, 0, 0], "byte 1: function code 7 reads nothing"),
        (vec![1, 3, 0, 0, 0, 2, 0, 0], "byte 1: the block has 2 bytes of data, expected 4"),
    ] {
        assert_eq!(Blocks::parse(&body), Err(why.to_owned()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn words_come_back(start in 0..60_000_u16, words in prop::collection::vec(any::<u16>(), 1..125), body in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut sent = begin();
        push_words(&mut sent, Table::Holding, start, &words);
        let blocks = Blocks::parse(&sent).unwrap();
        for (n, word) in (0_u16..).zip(&words) {
            let got = blocks.value(&register(Table::Holding, start + n, Form::U16, Order::Abcd));
            prop_assert_eq!(got, Sent::Whole(i64::from(*word)));
        }
        // Arbitrary bodies never panic.
        if let Ok(blocks) = Blocks::parse(&body) {
            let got = blocks.value(&register(Table::Holding, 0, Form::F32, Order::Dcba));
            prop_assert!(matches!(got, Sent::Absent | Sent::Float(_)));
        }
    }
}
