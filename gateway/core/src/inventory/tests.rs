//! Tables as people save them.

use super::{Change, Listed, Refused, Table};

fn read(text: &str) -> (Vec<Listed>, Vec<String>) {
    let mut table = Table::open(text.as_bytes()).unwrap();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for line in &mut table {
        match line {
            Ok(listed) => good.push(listed),
            Err(refused) => bad.push(refused.to_string()),
        }
    }
    (good, bad)
}

fn refused(text: &[u8]) -> Refused {
    Table::open(text).unwrap_err()
}

#[test]
fn each_bad_line_says_column_and_what_would_be_right_and_the_others_are_read() {
    let (good, bad) = read(
        "device,class,profile,zone,firmware,commissioned_at\n\
        bp-1,bp_meter,,ward-3,2.1,2026-11-21T08:00:00+08:00\n\
        \n\
        f 1,cold_store,,,,\n\
        bp-1,bp_meter,,,,\n\
        f-2,,orderly-cs-1,,,\n\
        bp-5,bp_meter,,,,yesterday\n\
        bp-6,bp_meter,,,,,surplus\n\
        ,bp_meter\n\
        bp-7\n\
        bp-8,,,一号楼\n\
        bp-9,,,-,-\n",
    );
    let lines: Vec<_> = good.iter().map(|listed| (listed.line, listed.device.as_str())).collect();
    assert_eq!(lines, [(2, "bp-1"), (6, "f-2"), (10, "bp-7"), (12, "bp-9")]);
    assert_eq!(good[0].zone, Change::Set("ward-3".parse().unwrap()));
    assert_eq!(good[0].firmware, Change::Set("2.1".parse().unwrap()));
    assert_eq!(good[0].commissioned_at, Change::Set(crate::time::Timestamp(1_795_219_200_000)));
    assert_eq!((&good[1].class, &good[1].zone), (&None, &Change::Keep), "an empty field changes nothing");
    assert_eq!((&good[3].zone, &good[3].firmware), (&Change::Clear, &Change::Clear));
    let wanted = [
        "line 4: column device: \"f 1\" is not a name: only A-Z a-z 0-9 . _ : - may stand in it; as in \"ward-3\"",
        "line 5: column device: \"bp-1\" stands in line 2 already; leave one of the two",
        "line 7: column commissioned_at: \"yesterday\" is no time with its offset; as in 2026-11-21T08:00:00+08:00",
        "line 8: it has 7 fields, the first line 6; put a field that holds the separator into quotes",
        "line 9: column device: no device is named; say its name, as in its topics",
        "line 11: column zone: \"一号楼\" is not a name: it must begin with a letter or digit; as in \"ward-3\"",
    ];
    assert_eq!(bad, wanted);
}

#[test]
fn what_a_spreadsheet_writes_is_read_and_columns_keep_their_names() {
    let one = |text: &str| {
        let (good, bad) = read(text);
        assert_eq!((good.len(), bad.len()), (1, 0), "{text:?}: {bad:?}");
        (good[0].line, good[0].device.to_string(), good[0].class.as_ref().map(ToString::to_string))
    };
    let wanted = (2, "bp-1".to_owned(), Some("bp_meter".to_owned()));
    assert_eq!(one("\u{feff}设备;类别;位置\r\nbp-1;bp_meter;ward-3\r\n"), wanted);
    assert_eq!(one("Device\tClass\nbp-1\tbp_meter\n"), wanted);
    assert_eq!(one("device,class\n\"bp-1\",\"bp_meter\""), wanted);
    let (good, _) = read("\r\n\r\ndevice\r\na\r\n\r\n\"b\"\r\n");
    assert_eq!(good.iter().map(|listed| listed.line).collect::<Vec<_>>(), [4, 6]);
    let table = Table::open("设备,zone\nx,y\n".as_bytes()).unwrap();
    assert_eq!((table.called("device"), table.called("class")), ("设备".to_owned(), "class".to_owned()));
}

#[test]
fn a_file_that_cannot_be_understood_is_refused_as_a_whole() {
    let said = |text: &str| refused(text.as_bytes()).to_string();
    assert_eq!(
        said("device,clas\n"),
        "line 1: column clas: no such column is known; did you mean \"class\"?"
    );
    assert!(
        said("bp-1,bp_meter\n").starts_with("line 1: column bp-1: no such column is known; known are device")
    );
    assert!(said("").contains("the first line must name the columns, device among them"));
    assert!(said("class,zone\n").contains("device among them"));
    assert!(said("device,设备\n").contains("column 设备: the column stands twice"));
    let gb18030 = refused(b"device,class,zone\nbp-1,bp_meter,\xb2\xa1\xb7\xbf\n");
    assert_eq!((gb18030.line, gb18030.hint.as_str()), (2, "in a spreadsheet save it as \"CSV UTF-8\""));
    assert!(gb18030.to_string().is_ascii(), "nothing of the other encoding is shown");
    assert!(refused(&vec![b'x'; super::MAX_BYTES + 1]).message.contains("33554432 is the most"));
    assert!(refused(&vec![b'\n'; 200_001]).message.contains("200000 is the most"));
}

#[test]
fn no_bytes_make_it_panic() {
    for text in [
        "device\n\"",
        "device\n\"a\nb",
        "device,class\n\"a\"b,c\n",
        "device\n\0\n",
        "\u{feff}",
        ";;;",
        "device;\n;\n",
    ] {
        if let Ok(table) = Table::open(text.as_bytes()) {
            assert!(table.take(10).count() < 10, "{text:?}");
        }
    }
}
