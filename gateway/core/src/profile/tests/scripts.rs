//! Profiles whose codec is a vendor's script.

use super::*;

const HEAD: &str = r#"
[profile]
id = "t-js"
class = "cold_store"
vendor = "T"
model = "JS"
version = "1"
schema = 1
[source]
document = "constructed"
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
[[metric]]
name = "site"
path = "$.site"
text = true
required = false
[[test]]
hex = "00fa"
port = 2
from = "constructed"
[test.expect]
temp = 25
site = "ward"
[[test]]
hex = "00"
from = "constructed"
error = "malformed"
[codec]
kind = "javascript"
variables = { site = "ward" }
"#;

const SCRIPT: &str = "function decodeUplink(input) {
  if (input.bytes.length < 2) throw new Error('too short')
  const text = 'it\\'s \"\\u00b0\"'
  return { data: { temp: Buffer.from(input.bytes).readInt16BE(0) / 10, site: input.variables.site } }
}
";

#[test]
fn a_script_stands_in_the_profile_or_in_a_file_beside_it() {
    let inline = format!("{HEAD}script = '''{}'''", SCRIPT.replace("'too short'", "\"too short\""));
    assert_eq!(script_file(&inline), None);
    let profile = Profile::parse(&inline, "t-js.toml").unwrap();
    assert!(profile.reads_bytes());
    let input = Input {
        address: "orderly/v1/main/cold_store/c/up/reading",
        payload: &[0xff],
        received_at: Timestamp(0),
        flags: Flags::default(),
    };
    let error = profile.decode(input).unwrap_err();
    assert_eq!(error.to_string(), "the script, line 2: too short");

    let named = format!("{HEAD}file = \"vendor.js\"\n");
    assert_eq!(script_file(&named).as_deref(), Some("vendor.js"));
    let whole = with_script(&named, SCRIPT);
    assert_eq!(script_file(&whole), None);
    assert!(Profile::parse(&whole, "t-js.toml").is_ok());
    assert_ne!(
        short_hash(whole.as_bytes()),
        short_hash(named.as_bytes()),
        "another script is another profile"
    );
}

#[test]
fn what_is_wrong_with_a_script_is_told_at_its_key() {
    let told = |codec: &str| {
        let found = Profile::parse(&format!("{HEAD}{codec}"), "t-js.toml").unwrap_err();
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (codec, wanted) in [
        ("file = \"gone.js\"", "the file \"gone.js\" is not beside the profile"),
        ("file = \"../up.js\"", "\"../up.js\" is no name of a file beside the profile"),
        ("", "a codec in JavaScript needs its script"),
        ("script = \"function f() {}\"", "the script has no function decodeUplink"),
        ("script = \"let a = ;\"", "the script, line 1: "),
        ("script = \"for (;;) {}\"", "it did not end within 500000 steps"),
        ("script = \"\"\nfile = \"a.js\"", "either in the profile or in a file"),
    ] {
        let told = told(codec);
        assert!(told.contains(wanted), "{codec}: {told}");
    }
}
