// As much of Node's Buffer as codecs use.
(() => {
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const fromUtf8 = text => {
    const bytes = [];
    for (const sign of text) {
      const code = sign.codePointAt(0);
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | code >> 6, 0x80 | code & 63);
      else if (code >= 0xd800 && code < 0xe000) bytes.push(0xef, 0xbf, 0xbd);
      else if (code < 0x10000) bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63);
      else bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63, 0x80 | code & 63);
    }
    return bytes;
  };
  const toUtf8 = bytes => {
    let text = "";
    for (let at = 0; at < bytes.length;) {
      const first = bytes[at++];
      const more = first < 0x80 ? 0 : first >> 5 === 6 ? 1 : first >> 4 === 14 ? 2 : first >> 3 === 30 ? 3 : -1;
      let code = more === 0 ? first : first & 0x3f >> more;
      let left = more;
      for (; left > 0 && bytes[at] >> 6 === 2; left--) code = code << 6 | bytes[at++] & 63;
      const least = [0, 0x80, 0x800, 0x10000][more];
      const bad = more < 0 || left > 0 || code < least || code > 0x10ffff || code >= 0xd800 && code < 0xe000;
      text += bad ? "\ufffd" : String.fromCodePoint(code);
    }
    return text;
  };
  const fromHex = text => {
    const bytes = [];
    for (let at = 0; at + 1 < text.length; at += 2) {
      const pair = text.slice(at, at + 2);
      if (!/^[0-9a-f]{2}$/i.test(pair)) break;
      bytes.push(parseInt(pair, 16));
    }
    return bytes;
  };
  const fromBase64 = text => {
    const bytes = [];
    let bits = 0, held = 0;
    for (const sign of text) {
      if (sign === "=") break;
      const six = LETTERS.indexOf(sign === "-" ? "+" : sign === "_" ? "/" : sign);
      if (six < 0) continue;
      held = (held << 6 | six) & 0xffffff;
      bits += 6;
      if (bits >= 8) bytes.push(held >> (bits -= 8) & 255);
    }
    return bytes;
  };
  const toBase64 = (bytes, url) => {
    let text = "";
    for (let at = 0; at < bytes.length; at += 3) {
      const [a, b = 0, c = 0] = [bytes[at], bytes[at + 1], bytes[at + 2]];
      const four = LETTERS[a >> 2] + LETTERS[(a & 3) << 4 | b >> 4] + LETTERS[(b & 15) << 2 | c >> 6] + LETTERS[c & 63];
      const real = Math.min(bytes.length - at, 3) + 1;
      text += four.slice(0, real) + (url ? "" : "=".repeat(4 - real));
    }
    return url ? text.replaceAll("+", "-").replaceAll("/", "_") : text;
  };
  const each = text => Array.from(text, sign => sign.charCodeAt(0) & 255);
  const sixteen = text => Array.from({ length: text.length * 2 }, (_, at) => text.charCodeAt(at >> 1) >> 8 * (at & 1) & 255);
  const signs = (bytes, mask) => Array.from(bytes, byte => String.fromCharCode(byte & mask)).join("");
  const pairs = bytes => {
    let text = "";
    for (let at = 0; at + 1 < bytes.length; at += 2) text += String.fromCharCode(bytes[at] | bytes[at + 1] << 8);
    return text;
  };
  const FORMS = {
    utf8: [fromUtf8, toUtf8],
    hex: [fromHex, bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("")],
    base64: [fromBase64, bytes => toBase64(bytes, false)],
    base64url: [fromBase64, bytes => toBase64(bytes, true)],
    ascii: [each, bytes => signs(bytes, 127)],
    latin1: [each, bytes => signs(bytes, 255)],
    utf16le: [sixteen, pairs],
  };
  const OTHER = { utf: "utf8", binary: "latin1", ucs2: "utf16le", utf16: "utf16le" };
  const form = name => {
    const plain = String(name ?? "utf8").toLowerCase().replaceAll("-", "");
    const found = FORMS[OTHER[plain] ?? plain];
    if (!found) throw new TypeError(`Unknown encoding: ${name}`);
    return found;
  };

  class Buffer extends Uint8Array {
    constructor(value, second, third) {
      if (typeof value === "string") super(form(second)[0](value));
      else super(value, second, third);
    }
    static from(value, second, third) {
      const data = value !== null && value?.type === "Buffer" && Array.isArray(value.data) ? value.data : value;
      return data instanceof ArrayBuffer ? new Buffer(data, second, third) : new Buffer(data, second);
    }
    static alloc(size, fill = 0, name) {
      return new Buffer(size).fill(fill, name);
    }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(value) { return value instanceof Buffer; }
    static isEncoding(name) { try { form(name); return true; } catch { return false; } }
    static byteLength(value, name) { return typeof value === "string" ? form(name)[0](value).length : value.byteLength; }
    static compare(a, b) { return a.compare(b); }
    static concat(list, total) {
      const all = new Buffer(total ?? list.reduce((sum, one) => sum + one.length, 0));
      let at = 0;
      for (const one of list) {
        if (at >= all.length) break;
        const part = one.length > all.length - at ? one.subarray(0, all.length - at) : one;
        all.set(part, at);
        at += part.length;
      }
      return all;
    }
    // A part shares its bytes with the whole, as in Node.
    slice(start, end) { return this.subarray(start, end); }
    toString(name, start = 0, end = this.length) { return form(name)[1](this.subarray(start, end)); }
    toJSON() { return { type: "Buffer", data: Array.from(this) }; }
    equals(other) { return this.length === other.length && this.every((byte, at) => byte === other[at]); }
    compare(other) {
      const most = Math.min(this.length, other.length);
      for (let at = 0; at < most; at++) if (this[at] !== other[at]) return this[at] < other[at] ? -1 : 1;
      return Math.sign(this.length - other.length);
    }
    copy(target, to = 0, start = 0, end = this.length) {
      const part = this.subarray(start, Math.min(end, start + target.length - to));
      target.set(part, to);
      return part.length;
    }
    fill(value, start, end) {
      if (typeof value !== "string") return super.fill(value, typeof start === "string" ? 0 : start, end);
      const bytes = form(typeof start === "string" ? start : undefined)[0](value);
      for (let at = 0; at < this.length; at++) this[at] = bytes.length ? bytes[at % bytes.length] : 0;
      return this;
    }
    write(text, at = 0, size, name) {
      const bytes = form(typeof at === "string" ? at : typeof size === "string" ? size : name)[0](text);
      const start = typeof at === "number" ? at : 0;
      const part = bytes.slice(0, Math.min(typeof size === "number" ? size : this.length, this.length - start));
      this.set(part, start);
      return part.length;
    }
    indexOf(value, start = 0) {
      if (typeof value === "number") return super.indexOf(value & 255, start);
      const wanted = typeof value === "string" ? fromUtf8(value) : value;
      for (let at = start; at + wanted.length <= this.length; at++) {
        let same = 0;
        while (same < wanted.length && this[at + same] === wanted[same]) same++;
        if (same === wanted.length) return at;
      }
      return -1;
    }
    includes(value, start) { return this.indexOf(value, start) >= 0; }
    turned(size) {
      for (let at = 0; at + size <= this.length; at += size) this.subarray(at, at + size).reverse();
      return this;
    }
    swap16() { return this.turned(2); }
    swap32() { return this.turned(4); }
    swap64() { return this.turned(8); }
  }

  const proto = Buffer.prototype;
  const method = (names, value) => names.forEach(name =>
    Object.defineProperty(proto, name, { value, writable: true, configurable: true }));
  const view = buffer => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const spelled = (verb, kind) => kind.includes("UInt") ? [verb + kind, verb + kind.replace("UInt", "Uint")] : [verb + kind];
  const KINDS = [["UInt8", 1], ["Int8", 1], ["UInt16", 2], ["Int16", 2], ["UInt32", 4], ["Int32", 4],
    ["Float", 4], ["Double", 8], ["BigUInt64", 8], ["BigInt64", 8]];
  for (const [kind, size] of KINDS) {
    const native = { Float: "Float32", Double: "Float64" }[kind] ?? kind.replace("UInt", "Uint");
    for (const end of size === 1 ? [""] : ["LE", "BE"]) {
      method(spelled("read", kind + end), function (at = 0) { return view(this)[`get${native}`](at, end === "LE"); });
      method(spelled("write", kind + end), function (value, at = 0) {
        view(this)[`set${native}`](at, value, end === "LE");
        return at + size;
      });
    }
  }
  for (const little of [true, false]) {
    const end = little ? "LE" : "BE";
    const unsigned = function (at, size) {
      if (!(size >= 1 && size <= 6) || at < 0 || at + size > this.length) throw new RangeError("out of bounds access");
      let value = 0;
      for (let n = 0; n < size; n++) value = value * 256 + this[little ? at + size - 1 - n : at + n];
      return value;
    };
    method(spelled("read", `UInt${end}`), unsigned);
    method([`readInt${end}`], function (at, size) {
      const value = unsigned.call(this, at, size);
      return value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
    });
    const write = function (value, at, size) {
      let left = value < 0 ? value + 2 ** (8 * size) : value;
      for (let n = 0; n < size; n++) {
        this[little ? at + n : at + size - 1 - n] = left % 256;
        left = Math.floor(left / 256);
      }
      return at + size;
    };
    method(spelled("write", `UInt${end}`).concat(`writeInt${end}`), write);
  }

  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  define("Buffer", Buffer);
  define("require", name => {
    if (/^(node:)?buffer\/?$/.test(name)) return { Buffer };
    throw new Error(`there is no module ${name}`);
  });
})()
