use super::*;
use crate::codec::wrap::from_hex;

fn shown(part: Part, hex: &str) -> Result<String, String> {
    let mut out = Vec::new();
    read(part, &from_hex(hex.as_bytes()).unwrap(), &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// What one thing becomes, with its name.
fn thing(hex: &str) -> String {
    let all = shown(Part::BtHome, &format!("40{hex}")).unwrap();
    all.strip_prefix("{\"on_event\":false,")
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(&all)
        .to_owned()
}

#[test]
fn the_worked_example_of_bthome() {
    let hex = "020106 0B094449592D73656E736F72 0A16D2FC4002C40903BF13";
    assert_eq!(
        shown(Part::Whole, hex).unwrap(),
        r#"{"flags":6,"name":"DIY-sensor","bthome":{"on_event":false,"temperature":25,"humidity":50.55}}"#
    );
}

#[test]
fn things_of_every_kind_in_bthome() {
    // Down to pm10 in the alphabet a copy of the tables of bthome.io/format was compared; the others are in their manner,
    // with numbers, widths and factors of the public reference reader.
    let cases = [
        ("0161", "\"battery\":97"),
        ("12E204", "\"co2_ppm\":1250"),
        ("0960", "\"count\":96"),
        ("3D0960", "\"count\":24585"),
        ("3E2A2C0960", "\"count\":1611213866"),
        ("59EA", "\"count\":-22"),
        ("5AEAEA", "\"count\":-5398"),
        ("5BEA0234EA", "\"count\":-365690134"),
        ("434E34", "\"current_a\":13.39"),
        ("5D02EA", "\"current_a\":-5.63"),
        ("08CA06", "\"dew_point\":17.38"),
        ("5E9F8C", "\"direction\":359.99"),
        ("400C00", "\"distance_mm\":12"),
        ("414E00", "\"distance_m\":7.8"),
        ("424E3400", "\"duration_s\":13.39"),
        ("4D12138A14", "\"energy_kwh\":344593.17"),
        ("0A138A14", "\"energy_kwh\":1346.067"),
        ("4B138A14", "\"gas_m3\":1346.067"),
        ("4C41018A01", "\"gas_m3\":25821.505"),
        ("528756", "\"gyroscope\":22.151"),
        ("03BF13", "\"humidity\":50.55"),
        ("2E23", "\"humidity\":35"),
        ("05138A14", "\"illuminance_lx\":13460.67"),
        ("065E1F", "\"mass_kg\":80.3"),
        ("073E1D", "\"mass_lb\":74.86"),
        ("14020C", "\"moisture\":30.74"),
        ("2F23", "\"moisture\":35"),
        ("0D120C", "\"pm2_5\":3090"),
        ("0E021C", "\"pm10\":7170"),
        ("0B021B00", "\"power_w\":69.14"),
        ("5C02FBFFFF", "\"power_w\":-12.78"),
        ("04138A01", "\"pressure_hpa\":1008.83"),
        ("540C48656C6C6F20576F726C6421", "\"raw\":\"48656c6c6f20576f726c6421\""),
        ("3F020C", "\"rotation\":307.4"),
        ("444E34", "\"speed\":133.9"),
        ("57EA", "\"temperature\":-22"),
        ("58EA", "\"temperature\":-7.7"),
        ("451101", "\"temperature\":27.3"),
        ("02CA09", "\"temperature\":25.06"),
        ("530C48656C6C6F20576F726C6421", "\"text\":\"Hello World!\""),
        ("505D396164", "\"timestamp\":1684093277"),
        ("133301", "\"tvoc\":307"),
        ("0C020C", "\"voltage\":3.074"),
        ("4A020C", "\"voltage\":307.4"),
        ("4E87562A01", "\"volume_l\":19551.879"),
        ("478756", "\"volume_l\":2215.1"),
        ("48DC87", "\"volume_ml\":34780"),
        ("49DC87", "\"flow_m3h\":34.78"),
        ("4632", "\"uv_index\":5"),
        ("4F87562A01", "\"water_l\":19551.879"),
        ("56E803", "\"conductivity\":1000"),
        ("1A01", "\"door\":true"),
        ("1F00", "\"unlocked\":false"),
        ("3A04", "\"button\":\"long_press\""),
        ("3A09", "\"button\":9"),
        ("3C0103", "\"dimmer\":{\"turned\":\"left\",\"steps\":3}"),
        ("0009", "\"packet_id\":9"),
        ("F00100", "\"device_type\":1"),
        ("F100010204", "\"firmware\":\"4.2.1.0\""),
        ("F2000106", "\"firmware\":\"6.1.0\""),
    ];
    for (hex, expected) in cases {
        assert_eq!(thing(hex), expected, "{hex}");
    }
}

#[test]
fn things_that_come_again_are_counted_and_what_is_unknown_ends_it() {
    assert_eq!(
        thing("02CA09 451101 57EA"),
        r#""temperature":25.06,"temperature_2":27.3,"temperature_3":-22"#
    );
    assert_eq!(thing("0161 99 0102"), r#""battery":97,"unknown_object":153"#);
    assert_eq!(shown(Part::BtHome, "44 3A01").unwrap(), r#"{"on_event":true,"button":"press"}"#);
}

#[test]
fn every_flag_is_a_yes_or_no() {
    let flags = (0x0f..=0x11).chain(0x15..=0x2d);
    for id in flags {
        assert!(thing(&format!("{id:02x}01")).ends_with(":true"), "{id:02x}");
        assert!(thing(&format!("{id:02x}00")).ends_with(":false"), "{id:02x}");
    }
}

#[test]
fn a_beacon_of_apples() {
    let hex = "0201061AFF4C000215 B9407F30F5F8466EAFF925556B57FE6D 1234 ABCD C5";
    assert_eq!(
        shown(Part::Whole, hex).unwrap(),
        r#"{"flags":6,"company":76,"ibeacon":{"uuid":"b9407f30-f5f8-466e-aff9-25556b57fe6d","major":4660,"minor":43981,"power_at_1m":-59}}"#
    );
    let part = "4C000215 B9407F30F5F8466EAFF925556B57FE6D 0001 0002 00";
    assert!(shown(Part::Manufacturer, part).unwrap().contains(r#""major":1,"minor":2,"power_at_1m":0"#));
    assert_eq!(
        shown(Part::Manufacturer, "4C00 1005 01").unwrap(),
        r#"{"company":76,"manufacturer_data":"100501"}"#,
        "another message of Apple's is no beacon"
    );
    assert_eq!(shown(Part::Whole, "020AF4 0000").unwrap(), r#"{"tx_power":-12}"#);
}

#[test]
fn what_cannot_be_read_is_told_with_its_byte() {
    let cases = [
        (Part::Whole, "02", "byte 1: field \"part\": 2 bytes are needed, 0 bytes are left"),
        (
            Part::Whole,
            "0416D2FC41",
            "byte 4: it is encrypted; give the sensor no key, or have the reader take it off",
        ),
        (
            Part::Whole,
            "0616D2FC4002CA",
            "byte 6: field \"temperature\": 2 bytes are needed, 1 bytes are left",
        ),
        (Part::BtHome, "2001", "byte 0: this is BTHome 1; 2 is read"),
        (Part::BtHome, "40530541", "byte 3: field \"text\": 5 bytes are needed, 1 bytes are left"),
        (
            Part::Manufacturer,
            "4C000215 B940",
            "byte 4: field \"uuid\": 16 bytes are needed, 2 bytes are left",
        ),
        (Part::BtHome, "", "byte 0: field \"device_information\": 1 bytes are needed, 0 bytes are left"),
    ];
    for (part, hex, expected) in cases {
        assert_eq!(shown(part, hex).unwrap_err(), expected, "{hex}");
    }
    let long = "00".repeat(MOST_BYTES + 1);
    assert_eq!(shown(Part::Whole, &long).unwrap_err(), "the payload has 1651 bytes; at most 1650 are read");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_become_one_object_or_are_refused(payload in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64), part in 0_usize..3) {
        let mut out = Vec::new();
        let mut told = vec![0x40];
        told.extend(&payload);
        if read(Part::numbered(part), if part == 2 { &told } else { &payload }, &mut out).is_ok() {
            let text = String::from_utf8(out).unwrap();
            proptest::prop_assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok(), "{}", text);
        }
    }
}
