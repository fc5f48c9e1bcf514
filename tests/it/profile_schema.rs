//! `device-profiles/profile.schema.json`: what editors know of profiles is what the reader knows, key by key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orderly_core::profile::{Profile, with_script};
use orderly_tests::json_schema::{misfits, resolve};
use serde_json::Value as Json;

/// A key that nobody knows.
const STRANGE: &str = "zzqzzqzzqzzq";

/// By which keys a profile says where something stands.
const PLACES: [&str; 6] = ["path", "outer", "topic", "field", "tag", "register"];

/// Forms that no shipped profile has. They need not be whole: what the reader asks for is what counts.
const FORMS: [&str; 11] = [
    "[codec]\nkind = \"csv\"\n[[metric]]\nname = \"a\"\n",
    "[codec]\nkind = \"text\"\npattern = \"(?<a>x)\"\n",
    "[codec]\nkind = \"gatt\"\ncharacteristic = \"2a35\"\n",
    "[envelope]\ndata = \"$.d\"\n[codec]\nkind = \"gatt\"\ncharacteristic = \"2a18\"\ncontext = \"2a34\"\nsaid = { outer = \"$.c\" }\n\
     [[test]]\ninput = \"x\"\ncontext = { input = \"x\", topic = \"a\" }\n",
    "[match]\ntopic = \"a/{device}/{c}\"\n[codec]\nkind = \"gatt\"\ncharacteristic = \"2a18\"\ncontext = \"2a34\"\nsaid = { topic = \"c\" }\n\
     [[metric]]\nname = \"a\"\npath = \"$.a\"\nstates = [\"b\"]\ncontext = true\nwithout = \"b\"\n[[test]]\nhex = \"00\"\ncontext = { hex = \"00\" }\n",
    "[codec]\nkind = \"javascript\"\nscript = \"x\"\nvariables = { a = \"b\" }\n",
    "[codec]\nkind = \"javascript\"\nfile = \"x.js\"\n",
    "[codec]\nkind = \"line\"\n[match]\ntags = { a = \"b\" }\n[[metric]]\nname = \"a\"\n[sequence]\nfield = \"n\"\n",
    "[codec]\nkind = \"registers\"\n[[metric]]\nname = \"a\"\nunit = \"1\"\n\
     register = { kind = \"holding\", address = 1, type = \"bits\", bit = 1, count = 2 }\n\
     [[command]]\nid = \"c\"\nargument = { range = [0, 1] }\nlabel = { zh = \"a\", en = \"a\" }\n\
     write = { register = { kind = \"coil\", address = \"00001\" }, values = [1] }\n\
     verify = { register = { kind = \"coil\", address = 0 }, value = 1 }\ninterlock = { must = \"a > 1\" }\n",
    "[profile]\nstream = { path = \"$.s\" }\n[envelope]\ndata = \"$.d\"\n[codec]\nkind = \"json\"\neach = \"$.x[*]\"\n\
     [firmware]\npath = \"$.f\"\n[boot]\npath = \"$.b\"\n[sequence]\npath = \"$.n\"\n[dedupe]\nby = \"none\"\n[privacy]\nfields = [\"a\"]\n\
     [match]\ntopic = \"a/{device}\"\ndevice = { path = \"$.d\" }\n\
     [time]\npath = \"$.t\"\nplus = { path = \"$.o\", unit = \"s\" }\n\
     [[metric]]\nname = \"a\"\npath = \"$.a\"\nunit = { path = \"$.u\", words = { a = \"1\" } }\n\
     report = { when = \"period\" }\nmissing = { high = [\"HI\"] }\nlabel = { zh = \"a\", en = \"a\" }\n\
     [[check]]\nmetric = \"a\"\nop = \"<\"\nthan = 1\n\
     [[command]]\nid = \"c\"\nargument = { max_bytes = 3 }\nwrite = { topic = \"a/{device}\", payload = \"x\" }\n\
     verify = { metric = \"a\", is = 1 }\n\
     [[command]]\nid = \"d\"\nargument = { choices = [\"x\"] }\nwrite = { payload = \"x\" }\n\
     [[test]]\ninput = \"x\"\n[[test]]\nhex = \"00\"\n",
    "[codec]\nkind = \"binary\"\nfield = [{ name = \"a\", type = \"u8\", when = { port = [1] } }, \
     { name = \"b\", type = \"bits\", bits = 3, when = { field = \"a\", bit = 1 } }, \
     { name = \"c\", type = \"text\", bytes = \"rest\", when = { field = \"a\", is = [1] } }, \
     { name = \"g\", repeat = \"rest\", fields = [{ name = \"x\", type = \"bcd\", bytes = 1 }] }, \
     { tagged = \"u8\", unknown = \"stop\", case = [{ is = [1], fields = [{ name = \"y\", type = \"u8\" }] }] }]\n",
];

fn schema() -> Json {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-profiles/profile.schema.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The shipped profiles, as their texts stand in their files.
fn shipped() -> BTreeMap<String, toml::Table> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-profiles");
    let classes = std::fs::read_dir(root).unwrap().map(|class| class.unwrap().path());
    let files = classes.filter(|class| class.is_dir()).flat_map(|class| std::fs::read_dir(class).unwrap());
    let profiles = files.map(|file| file.unwrap().path()).filter(|path| {
        path.extension().is_some_and(|ending| ending == "toml") && !path.ends_with("rules.toml")
    });
    profiles
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text.parse().unwrap())
        })
        .collect()
}

fn json(table: &toml::Table) -> Json {
    serde_json::to_value(table).unwrap()
}

/// Puts the strange key into every table.
fn strange(value: &mut toml::Value) {
    match value {
        toml::Value::Table(table) => {
            table.iter_mut().for_each(|(_, value)| strange(value));
            table.insert(STRANGE.to_owned(), toml::Value::String("x".to_owned()));
        }
        toml::Value::Array(items) => items.iter_mut().for_each(strange),
        _ => {}
    }
}

/// What the reader knows in each place of a text: `metric.report` and its keys.
fn known(table: &toml::Table) -> BTreeMap<String, BTreeSet<String>> {
    let mut with = toml::Value::Table(table.clone());
    strange(&mut with);
    let text = toml::to_string(&with).unwrap();
    let text = if text.contains("file = ") { with_script(&text, "x") } else { text };
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for told in Profile::parse(&text, "p.toml").unwrap_err() {
        if !told.message.starts_with("unknown key") || !told.key.ends_with(STRANGE) {
            continue;
        }
        let place = told.key.trim_end_matches(STRANGE).trim_end_matches('.');
        let place: Vec<&str> = place.split('.').map(|part| part.split('[').next().unwrap()).collect();
        let keys = told.hint.as_deref().and_then(|hint| hint.strip_prefix("known here: ")).unwrap();
        let keys = keys.split(", ").filter(|key| !["nothing", "inlined"].contains(key)).map(str::to_owned);
        known.entry(place.join(".")).or_default().extend(keys);
    }
    known.remove("codec.inlined");
    known
}

/// The descriptions of tables at a place.
fn tables<'a>(document: &'a Json, schema: &'a Json, place: &[&str], found: &mut Vec<&'a Json>) {
    let schema = resolve(document, schema);
    for several in ["allOf", "anyOf"] {
        for one in schema[several].as_array().into_iter().flatten() {
            tables(document, one, place, found);
        }
    }
    if schema["type"] == "array" {
        return tables(document, &schema["items"], place, found);
    }
    match (place, schema["properties"].as_object()) {
        ([], Some(_)) => found.push(schema),
        ([first, rest @ ..], Some(properties)) => {
            if let Some(inner) = properties.get(*first).or(schema.get("additionalProperties")) {
                tables(document, inner, rest, found);
            }
        }
        (_, None) => {}
    }
}

#[test]
fn every_shipped_profile_fits_and_a_strange_key_does_not() {
    let schema = schema();
    let profiles = shipped();
    for (name, table) in &profiles {
        assert_eq!(misfits(&schema, &schema, &json(table), "profile"), Vec::<String>::new(), "{name}");
        let mut with = toml::Value::Table(table.clone());
        strange(&mut with);
        let wrong = misfits(&schema, &schema, &serde_json::to_value(&with).unwrap(), "profile");
        for place in ["profile", "profile.profile", "profile.source", "profile.metric[0]", "profile.test[0]"]
        {
            let said = format!("{place}: `{STRANGE}` is not described");
            assert!(wrong.contains(&said), "{name}: {said}");
        }
    }
    assert!(profiles.len() >= 60, "{} profiles", profiles.len());
}

#[test]
fn the_schema_knows_the_keys_that_the_reader_knows_and_no_others() {
    let schema = schema();
    let forms = FORMS.iter().map(|form| form.parse::<toml::Table>().unwrap());
    let mut asked: BTreeMap<*const Json, (String, &Json, BTreeSet<String>)> = BTreeMap::new();
    for table in shipped().into_values().chain(forms) {
        for (place, keys) in known(&table) {
            let parts: Vec<&str> = place.split('.').filter(|part| !part.is_empty()).collect();
            let mut found = Vec::new();
            tables(&schema, &schema, &parts, &mut found);
            assert!(!found.is_empty(), "the schema does not describe the table {place:?} with {keys:?}");
            for key in &keys {
                let described = found.iter().any(|table| table["properties"].get(key).is_some());
                assert!(described, "the schema does not describe {key:?} of {place:?}");
            }
            for table in found {
                let entry =
                    asked.entry(std::ptr::from_ref(table)).or_insert((place.clone(), table, BTreeSet::new()));
                entry.2.extend(keys.iter().cloned());
            }
        }
    }
    assert!(asked.len() >= 25, "{} tables", asked.len());
    for (place, table, keys) in asked.into_values() {
        let described: BTreeSet<String> = table["properties"].as_object().unwrap().keys().cloned().collect();
        // Where something stands is said otherwise in a document, a line and a poll.
        let is_place = |key: &&String| PLACES.contains(&key.as_str());
        let place_asked = keys.iter().any(|key| is_place(&key));
        let unknown = described.difference(&keys).filter(|key| !(place_asked && is_place(key)));
        let unknown: Vec<_> = unknown.collect();
        assert!(unknown.is_empty(), "the reader knows no {unknown:?} in {place:?}");
        assert_eq!(table["additionalProperties"], false, "{place:?} refuses what it does not know");
    }
}
