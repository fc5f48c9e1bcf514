use super::*;

const NOW: Timestamp = Timestamp(1_795_332_600_000);

fn decode(script: &str, payload: &[u8], port: Option<u8>) -> Result<String, String> {
    let variables = [("site".to_owned(), "ward \"3\"".to_owned())];
    let script = Script::new(script, &variables).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    script.decode(payload, port, NOW, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// What an expression gives inside of `decodeUplink`.
fn shown(expression: &str) -> String {
    let script = format!(
        "function decodeUplink(input) {{ const {{ bytes }} = input; return {{ data: {{ v: {expression} }} }} }}"
    );
    decode(&script, &[1, 2, 0xff, 0x80], Some(5)).unwrap_or_else(|error| error)
}

fn refused(body: &str) -> String {
    decode(&format!("function decodeUplink(input) {{\n{body}\n}}"), &[1], None).unwrap_err()
}

#[test]
fn the_form_of_chirpstack_4_and_the_things_stack() {
    let script = "const half = n => n / 2;
        function decodeUplink(input) {
            return { data: { t: half(input.bytes[0]), port: input.fPort, at: input.recvTime.toISOString(),
                             site: input.variables.site, none: undefined, nan: NaN }, warnings: ['low'], errors: [] };
        }";
    assert_eq!(
        decode(script, &[41], Some(7)).unwrap(),
        r#"{"t":20.5,"port":7,"at":"2026-11-22T07:30:00.000Z","site":"ward \"3\"","nan":null}"#
    );
}

#[test]
fn the_older_forms_and_modules() {
    let third = "function Decode(fPort, bytes, variables) { return { p: fPort, b: bytes, s: variables.site.length } }";
    assert_eq!(decode(third, &[1, 2], Some(3)).unwrap(), r#"{"p":3,"b":[1,2],"s":8}"#);
    let second = "function Decoder(bytes, port) { return { p: port, n: bytes.length } }";
    assert_eq!(decode(second, &[1, 2], Some(3)).unwrap(), r#"{"p":3,"n":2}"#);
    let module = "module.exports = { decodeUplink: input => ({ data: { n: input.bytes.length } }) }";
    assert_eq!(decode(module, &[1, 2], None).unwrap(), r#"{"n":2}"#);
    let constant = "const decodeUplink = input => ({ data: { n: input.bytes.length } })";
    assert_eq!(decode(constant, &[1], None).unwrap(), r#"{"n":1}"#);
}

#[test]
fn what_a_script_reports_or_forgets_is_an_error() {
    assert_eq!(
        refused("return { errors: ['bad checksum', 'short'] }"),
        "the script reports: bad checksum; short"
    );
    assert_eq!(refused("return { data: { a: 1 }, errors: 'bad' }"), "the script reports: bad");
    for empty in ["return", "return {}", "return { data: null }", "return { data: 3 }"] {
        assert_eq!(refused(empty), "the script gives no data", "{empty}");
    }
    assert!(decode("var a = 1", &[], None).unwrap_err().contains("no function decodeUplink"));
}

#[test]
fn a_mistake_is_told_with_its_line() {
    assert_eq!(refused("throw new Error('no such frame')"), "the script, line 2: no such frame");
    assert_eq!(refused("\nreturn nothing.here"), "the script, line 3: nothing is not defined");
    assert_eq!(refused("throw 'plain'"), "the script: plain");
    assert_eq!(refused("throw {}"), "the script: it threw something that is no error");
    assert_eq!(refused("return Buffer.from([1]).readUInt16LE(0)"), "the script, line 2: out of bound");
    assert!(refused("return {").starts_with("the script, line 3: "));
    let script = "var a = 1;\nundefinedFunction();\nfunction decodeUplink() {}";
    assert_eq!(
        Script::new(script, &[]).unwrap_err().to_string(),
        "the script, line 2: undefinedFunction is not defined"
    );
}

#[test]
fn a_script_that_does_not_end_is_ended() {
    let endless = [
        "for (;;) {}",
        "let a = 0; while (true) a += 1",
        "for (;;) { try { for (;;) {} } catch (e) {} finally {} }",
        "function f() { f2() } function f2() {} for (;;) f()",
        "let a = []; a.length = 4e9; a.indexOf(1)",
        "Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)",
        "/^(a+)+$/.test('a'.repeat(64) + 'b')",
        "[1].forEach(function again() { for (;;) [1].forEach(again2); function again2() {} })",
    ];
    for body in endless {
        // An endless loop has no line of its own in the engine: the line of its function is told.
        let told = refused(body);
        let whole =
            told.starts_with("the script, line ") && told.ends_with(": it did not end within 500000 steps");
        assert!(whole, "{body}: {told}");
    }
    assert!(Script::new("for (;;) {}", &[]).unwrap_err().to_string().contains("line 1: it did not end"));
}

#[test]
fn a_script_that_wants_too_much_is_refused() {
    assert_eq!(
        refused("return { data: { s: 'x'.repeat(1e9) } }"),
        "the script, line 2: it needs more than 8388608 bytes of memory"
    );
    assert!(
        refused("let a = []; for (;;) a.push([1, 2, 3])")
            .contains("it needs more than 8388608 bytes of memory")
    );
    assert!(refused("return { data: new Uint8Array(16 << 20) }").contains("line 2"));
    assert!(refused("let s = 'x'; for (;;) s += s").starts_with("the script, line 2: "));
    assert_eq!(
        refused("return { data: { s: 'x'.repeat(2e6) } }"),
        "more than 1048576 bytes or 32 levels come of it"
    );
    assert!(
        Script::new(&" ".repeat(MOST_SCRIPT_BYTES + 1), &[])
            .unwrap_err()
            .to_string()
            .contains("262145 bytes")
    );
}

#[test]
fn recursion_without_end_is_refused() {
    assert_eq!(
        refused("return f(1) \n function f(n) { return f(n + 1) + 1 }"),
        "the script, line 3: Maximum call stack size exceeded"
    );
    let nested = "let a = []; for (let n = 0; n < 30000; n++) a = [a]; return { data: a }";
    assert!(refused(nested).starts_with("the script: "), "{}", refused(nested));
    let brackets =
        format!("function decodeUplink() {{ return {}1{} }}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(Script::new(&brackets, &[]).is_err());
}

#[test]
fn the_same_input_gives_the_same_answer() {
    let script = "var calls = 0; Array.prototype.mine = 0;
        function decodeUplink() { calls += 1; Array.prototype.mine += 1; globalThis.kept = (globalThis.kept || 0) + 1;
            return { data: { calls, mine: [].mine, kept: globalThis.kept, now: Date.now(), date: new Date() } } }";
    let script = Script::new(script, &[]).unwrap();
    for _ in 0..3 {
        let mut out = Vec::new();
        script.decode(&[], None, NOW, &mut out).unwrap();
        let expected =
            r#"{"calls":1,"mine":1,"kept":1,"now":1795332600000,"date":"2026-11-22T07:30:00.000Z"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    assert!(refused("return { data: { r: Math.random() } }").contains("line 2: Math.random is not there"));
}

#[test]
fn nothing_of_the_host_is_there() {
    let names = "['process', 'fetch', 'setTimeout', 'Proxy', 'performance', 'WeakRef', 'std', 'os', 'print', 'scriptArgs']";
    assert_eq!(
        shown(&format!("{names}.filter(name => typeof globalThis[name] !== 'undefined')")),
        r#"{"v":[]}"#
    );
    assert!(refused("return { data: require('fs') }").contains("there is no module fs"));
    assert_eq!(shown("import('fs')"), r#"{"v":{}}"#, "a promise that nobody waits for");
    assert_eq!(
        decode("async function decodeUplink() { return { data: { a: 1 } } }", &[], None).unwrap_err(),
        "the script gives no data"
    );
    assert_eq!(shown("(console.log(1), console.error(2), typeof console.warn)"), r#"{"v":"function"}"#);
}

#[test]
fn times_are_in_utc_wherever_the_machine_stands() {
    let cases = [
        ("new Date(2026, 0, 2, 3, 4, 5).toISOString()", "\"2026-01-02T03:04:05.000Z\""),
        ("new Date('2026-01-02T03:04:05').toISOString()", "\"2026-01-02T03:04:05.000Z\""),
        ("new Date('2026-01-02 03:04').toISOString()", "\"2026-01-02T03:04:00.000Z\""),
        ("new Date('2026-01-02').toISOString()", "\"2026-01-02T00:00:00.000Z\""),
        ("new Date('2026-01-02T03:04:05+08:00').toISOString()", "\"2026-01-01T19:04:05.000Z\""),
        ("new Date('Jan 2 2026 03:04:05').toISOString()", "\"2026-01-02T03:04:05.000Z\""),
        ("new Date(0).toString()", "\"Thu Jan 01 1970 00:00:00 GMT+0000\""),
        ("new Date(46800000).toLocaleString()", "\"01/01/1970, 01:00:00 PM\""),
        ("new Date('nonsense').toString()", "\"Invalid Date\""),
        ("[new Date(0).getHours(), new Date(0).getDate(), new Date(0).getTimezoneOffset()]", "[0,1,0]"),
        ("(d => (d.setHours(5), d.getTime()))(new Date(0))", "18000000"),
        ("new Date(new Date(5)).getTime()", "5"),
        ("new Date() instanceof Date", "true"),
        ("Date.UTC(1970, 0, 2) + Date.parse('1970-01-01T00:00:01')", "86401000"),
    ];
    for (expression, expected) in cases {
        assert_eq!(shown(expression), format!("{{\"v\":{expected}}}"), "{expression}");
    }
}

#[test]
fn a_buffer_does_what_codecs_need() {
    let cases = [
        ("Buffer.from(bytes).readUInt16BE(0)", "258"),
        ("new Buffer(bytes).readUint16LE(1)", "65282"),
        ("Buffer.from(bytes).readInt8(2)", "-1"),
        ("Buffer.from(bytes).readInt16BE(2)", "-128"),
        ("Buffer.from(bytes).readInt32LE(0)", "-2130771455"),
        ("Buffer.from(bytes).readUInt32BE()", "16973696"),
        ("Buffer.from(bytes).readUIntBE(0, 3)", "66303"),
        ("Buffer.from(bytes).readIntLE(1, 3)", "-8323326"),
        ("Buffer.from([0, 0, 0x48, 0x41]).readFloatLE(0)", "12.5"),
        ("Buffer.from('40090000', 'hex').readFloatBE(0)", "2.140625"),
        ("String(Buffer.from('0100000000000000', 'hex').readBigUInt64LE(0))", "\"1\""),
        ("Buffer.from(bytes).toString('hex')", "\"0102ff80\""),
        ("Buffer.from(bytes).toString('base64')", "\"AQL/gA==\""),
        ("Buffer.from(bytes).toString('base64url')", "\"AQL_gA\""),
        ("Buffer.from('AQL/gA==', 'base64').equals(Buffer.from(bytes))", "true"),
        ("Buffer.from('温度 °😀').toString()", "\"温度 °😀\""),
        ("Buffer.from([0x41, 0xe6, 0xb8, 0x42]).toString('utf8')", "\"A\u{fffd}B\""),
        ("Buffer.from(bytes).slice(1, 3).toString('hex')", "\"02ff\""),
        ("(b => (b.slice(1)[0] = 9, b[1]))(Buffer.from(bytes))", "9"),
        ("Buffer.concat([Buffer.from([1]), Buffer.from('hi')]).toString('hex')", "\"016869\""),
        ("Buffer.alloc(3, 7).toString('hex')", "\"070707\""),
        (
            "(b => (b.writeUInt16BE(513, 0), b.writeInt8(-1, 2), b.toString('hex')))(Buffer.alloc(3))",
            "\"0201ff\"",
        ),
        ("(b => (b.writeIntLE(-2, 0, 3), b.toString('hex')))(Buffer.alloc(3))", "\"feffff\""),
        ("Buffer.from(bytes).swap16().toString('hex')", "\"020180ff\""),
        ("Buffer.from(bytes).indexOf(255)", "2"),
        ("[Buffer.isBuffer(Buffer.alloc(1)), Buffer.isBuffer([]), Buffer.byteLength('°')]", "[true,false,2]"),
        ("Buffer.from(bytes)", "{\"type\":\"Buffer\",\"data\":[1,2,255,128]}"),
        ("require('buffer').Buffer === Buffer", "true"),
        ("Array.from(Buffer.from(bytes).map(b => b >> 1))", "[0,1,127,64]"),
    ];
    for (expression, expected) in cases {
        assert_eq!(shown(expression), format!("{{\"v\":{expected}}}"), "{expression}");
    }
}

#[test]
fn a_command_becomes_bytes() {
    let data = serde_json::json!({ "minutes": 258 });
    let now = "function decodeUplink() {} function encodeDownlink(input) { return { bytes: [1, input.data.minutes, -1], fPort: 9 } }";
    let encoded = Script::new(now, &[]).unwrap().encode(&data, Some(2), NOW).unwrap();
    assert_eq!(encoded, Encoded { bytes: vec![1, 2, 255], port: Some(9) });
    let third =
        "function Decode() {} function Encode(fPort, obj, variables) { return [fPort, obj.minutes >> 8] }";
    let encoded = Script::new(third, &[]).unwrap().encode(&data, Some(2), NOW).unwrap();
    assert_eq!(encoded, Encoded { bytes: vec![2, 1], port: Some(2) });
    let none = Script::new("function decodeUplink() {}", &[]).unwrap().encode(&data, None, NOW).unwrap_err();
    assert_eq!(none.to_string(), "the script has no such function");
}

#[test]
fn values_with_comments_and_bare_keys_are_read() {
    let text = "[ // ports\n{ fPort: 0x67, 'a': [1, 2,], /* b */ \"b\": true }]";
    assert_eq!(literal(text).unwrap(), r#"[{"fPort":103,"a":[1,2],"b":true}]"#);
    assert!(literal("{").is_err());
}
