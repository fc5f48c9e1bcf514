//! Files: line by line, with what would be right; and back again.

use proptest::prelude::*;

use super::{PLACES, entered, of, planned, rows};
use crate::registry::{FORMS, File, Registry, Table, csv, plan, toml};

#[test]
fn each_bad_line_says_file_line_column_and_what_would_be_right_and_the_others_go_in() {
    let bays = "id,zone,marks,capacity\na-1,p-south,accesible,\na-2,p-suoth,,\na 3,p-south,,\na-4,p-south,ev,\n\
        a-4,p-north,,\na-5,p-south,,many\na-6,,,\n";
    let pars = "zone,class,part,min,target,max\nopd-hall,wheelchair,day,8,15,\nopd-hall,wheelchair,,8,4,\n\
        opd-hall,stretcher,,2,,1\n";
    let parts = "id,from,to\nday,07:00,18:00\nnight,18:00,7\n";
    let files = [("places.csv", PLACES), ("bays.csv", bays), ("pars.csv", pars), ("parts.csv", parts)];
    let (after, refused) = entered(&Registry::default(), &files, false);
    assert_eq!(
        refused,
        [
            "bays.csv: line 2: column marks: \"accesible\" is no mark of such a thing; did you mean \"accessible\"?",
            "bays.csv: line 3: column zone: there is no place \"p-suoth\"; did you mean \"p-south\"?",
            "bays.csv: line 4: column id: \"a 3\" is not a name: only A-Z a-z 0-9 . _ : - may stand in it; a name has \
             letters, digits and . _ : - only, as in ward-3",
            "bays.csv: line 6: spot \"a-4\" stands in line 5 already; leave one of the two",
            "bays.csv: line 7: column capacity: \"many\" is no number that can stand here; a whole number, as in 12",
            "bays.csv: line 8: column zone: it is in no place; name the place where it is",
            "pars.csv: line 3: column target: 4 is less than min, 8",
            "pars.csv: line 4: column max: 1 is less than target, 2",
            "parts.csv: line 3: column to: \"7\" is no time of day; as in 07:00",
        ]
    );
    assert_eq!(after.len(), 6 + 1 + 1 + 1);
}

#[test]
fn a_file_that_nobody_understands_says_so_once() {
    let said = |name: &str, text: &str| entered(&Registry::default(), &[(name, text)], true).1.join("\n");
    assert_eq!(
        said("bay.csv", "id\n"),
        "bay.csv: line 1: no table is called \"bay\"; did you mean bays.csv?"
    );
    assert!(
        said("bays.csv", "id,zon\n").contains("column zon: no such column is known; did you mean \"zone\"?")
    );
    assert!(said("places.csv", "zh\n").contains("the first line must name the columns, id among them"));
    assert!(said("x.toml", "[[bay]]\nid = \n").starts_with("x.toml: line 2: "));
    assert_eq!(
        said("x.toml", "[[bays]]\nid = \"a\"\n"),
        "x.toml: line 1: column bays: no such table is known; did you mean [[bay]]?"
    );
    assert_eq!(
        said("x.toml", "[[place]]\nid = \"m\"\nkind = \"site\"\nwihtin = \"n\"\n"),
        "x.toml: line 4: column wihtin: no such key is known; known are id, kind, in, zh, en, level, capacity, marks"
    );
    assert_eq!(
        said("x.toml", "[[place]]\nid = \"m\"\nkind = \"sitte\"\n"),
        "x.toml: line 3: column kind: \"sitte\" is no kind that is known; did you mean \"site\"?"
    );
    assert!(said("x.toml", "bay = 3\n").contains("head each row with [[bay]]"));
}

#[test]
fn a_table_may_have_its_columns_in_chinese_and_in_any_order() {
    let registry = of(&[(
        "places.csv",
        "\u{feff}中文名;编号;种类;所属\r\n本部;main;site;\r\n急诊;ed;emergency;main\r\n",
    )]);
    let place = registry.place(&"ed".parse().unwrap()).unwrap();
    assert_eq!((place.zh.as_str(), place.within.as_ref().unwrap().as_str()), ("急诊", "main"));
}

#[test]
fn what_a_whole_file_names_no_more_goes_unless_a_line_of_it_was_refused() {
    let bays = "id,zone\na-1,p-south\na-2,p-south\n";
    let spots = "id,kind,zone\ncab,cabinet,opd-hall\n";
    let registry = of(&[("places.csv", PLACES), ("bays.csv", bays), ("spots.csv", spots)]);
    let (after, _) = entered(&registry, &[("bays.csv", "id,zone\na-2,p-south\n")], true);
    assert_eq!(after.of(Table::Spot).count(), 2, "a-1 went, the cabinet is in another file");
    let (after, refused) = entered(&registry, &[("bays.csv", "id,zone\na-2,p-south\na 1,p-south\n")], true);
    assert_eq!((after.of(Table::Spot).count(), refused.len()), (3, 1), "the line may have meant a-1");
    let (after, _) = entered(&registry, &[("bays.csv", "id,zone\na-2,p-south\n")], false);
    assert_eq!(after.of(Table::Spot).count(), 3, "an import only adds");
    // Everything may go in one step, the inner places before the outer ones.
    let nothing = [("places.csv", "id,kind\n"), ("spots.csv", "id,kind\n")];
    let (after, refused) = entered(&registry, &nothing, true);
    assert_eq!((after.len(), refused.len()), (0, 0));
    // A place that a bay of another file is in stays.
    let (after, refused) = entered(&registry, &[("places.csv", "id,kind\nmain,site\n")], true);
    assert_eq!(refused.len(), 4, "{refused:?}");
    let said = "places.csv: place \"p-south\" cannot go: 2 others name it; take those away first, or let them name another";
    assert_eq!(refused[3], said);
    assert!(after.place(&"opd-hall".parse().unwrap()).is_some());
}

#[test]
fn the_same_files_again_change_nothing() {
    let files = [("places.csv", PLACES), ("bays.csv", "id,zone,marks\na-1,p-south,\"ev, accessible\"\n")];
    let registry = of(&files);
    let again = planned(&registry, &files, true);
    assert_eq!((again.changes.len(), again.report.unchanged), (0, 7));
}

/// Files of a registry with what its tables can hold.
fn hospital() -> impl Strategy<Value = Vec<(String, String)>> {
    let text = "[a-zA-Z0-9\\u{95e8}\\u{8bca}\"';=,#\\[\\]\\\\ -]{0,12}";
    let place =
        (0_usize..8, text, text, proptest::option::of(-3_i32..30), proptest::option::of(0_u32..2_000));
    let places = proptest::collection::vec(place, 1..12);
    let spot = (0_usize..12, 0_usize..7, text, proptest::option::of(0_u32..50));
    let spots = proptest::collection::vec(spot, 0..12);
    let bindings = proptest::collection::vec((0_usize..4, 0_usize..12, 0_i64..50, 1_i64..50), 0..12);
    (places, spots, bindings).prop_map(|(places, spots, bindings)| {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut file = "id,kind,in,zh,en,level,capacity,marks\nmain,site,,,,,,\n".to_owned();
        for (n, (within, zh, en, level, capacity)) in places.iter().enumerate() {
            let within = if *within == 0 { "main".to_owned() } else { format!("z-{}", within - 1) };
            let level = level.map_or(String::new(), |level| level.to_string());
            let capacity = capacity.map_or(String::new(), |capacity| capacity.to_string());
            let (zh, en) = (quoted(zh), quoted(en));
            file.push_str(&format!("z-{n},ward,{within},{zh},{en},{level},{capacity},public\n"));
        }
        let mut spot_file = "id,kind,zone,in,en,capacity\n".to_owned();
        for (n, (zone, kind, en, capacity)) in spots.iter().enumerate() {
            let kind = ["bay", "dock", "cabinet", "slot", "bed", "fridge", "point"][*kind];
            let (zone, within) = if kind == "slot" {
                (String::new(), format!("s-{zone}"))
            } else {
                (format!("z-{zone}"), String::new())
            };
            let capacity = capacity.map_or(String::new(), |capacity| capacity.to_string());
            spot_file.push_str(&format!("s-{n},{kind},{zone},{within},{},{capacity}\n", quoted(en)));
        }
        let mut binding_file = "device,what,id,from,until\n".to_owned();
        for (device, spot, from, length) in bindings {
            let moment = |day: i64| crate::time::Timestamp(1_767_225_600_000 + day * 86_400_000);
            let (from, until) = (moment(from), moment(from + length));
            binding_file.push_str(&format!("d-{device},spot,s-{spot},{from},{until}\n"));
        }
        vec![
            ("places.csv".to_owned(), file),
            ("spots.csv".to_owned(), spot_file),
            ("bindings.csv".to_owned(), binding_file),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_written_is_read_again(files in hospital()) {
        let borrowed: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        // Rings, unknown names and overlaps are refused; what is left must fit and come back.
        let (registry, _) = entered(&Registry::default(), &borrowed, false);
        let text = toml(&registry);
        let (again, refused) = entered(&Registry::default(), &[("registry.toml", &text)], true);
        prop_assert_eq!(refused, [""; 0]);
        prop_assert_eq!(rows(&again), rows(&registry));
        let tables: Vec<(String, String)> = FORMS
            .into_iter()
            .filter(|form| form.kind.is_none())
            .map(|form| (format!("{}.csv", form.file), csv(&registry, form)))
            .collect();
        let files: Vec<File<'_>> = tables.iter().map(|(name, bytes)| File { name, bytes: bytes.as_bytes() }).collect();
        let same = plan(&registry, &files, true);
        prop_assert_eq!(same.report.refused, vec![]);
        prop_assert_eq!(same.changes, vec![]);
        prop_assert_eq!(same.report.unchanged, registry.len() as u64);
    }

    #[test]
    fn no_file_makes_it_panic(name in "(places|bays|bindings|x)\\.(csv|toml)", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let plan = plan(&Registry::default(), &[File { name: &name, bytes: &bytes }], true);
        prop_assert!(plan.changes.len() <= 200);
    }
}
