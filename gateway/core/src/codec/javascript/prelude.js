// What a script finds around it. A decode is a function of its input: the clock stands at the time of receipt, the
// zone is UTC whatever the machine's is, and there is no chance.
(now => {
  const Real = Date;
  const proto = Real.prototype;
  const two = n => String(n).padStart(2, "0");

  // A text without a zone would be read in the zone of the machine.
  const local = /^\s*([+-]?\d{4,6}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*$/;
  const zoned = /(?:[0-9]Z|GMT|UTC|[+-]\d\d:?\d\d)\s*(?:\([^)]*\))?\s*$/;
  const parse = text => {
    const found = local.exec(text);
    if (found) return Real.parse(`${found[1]}T${found[2]}Z`);
    const dateOnly = /^\s*[+-]?\d{4,6}(?:-\d\d){0,2}\s*$/.test(text);
    return Real.parse(dateOnly || zoned.test(text) ? text : `${text} UTC`);
  };
  function Fixed(...parts) {
    if (new.target === undefined) return new Fixed(now).toString();
    let time = now;
    if (parts.length > 1) time = Real.UTC(...parts);
    else if (parts.length === 1) {
      const part = parts[0];
      time = typeof part === "string" ? parse(part) : part;
    }
    return Reflect.construct(Real, [time], new.target);
  }
  Fixed.prototype = proto;
  Fixed.UTC = Real.UTC;
  Fixed.parse = text => parse(String(text));
  Fixed.now = () => now;
  const define = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, configurable: true });
  define(proto, "constructor", Fixed);
  for (const part of ["FullYear", "Month", "Date", "Day", "Hours", "Minutes", "Seconds", "Milliseconds"]) {
    define(proto, `get${part}`, proto[`getUTC${part}`]);
    if (part !== "Day") define(proto, `set${part}`, proto[`setUTC${part}`]);
  }
  define(proto, "getYear", function () { return this.getUTCFullYear() - 1900; });
  define(proto, "getTimezoneOffset", () => 0);
  const named = (date, how) => isNaN(date) ? "Invalid Date" : how(date.toUTCString().split(/,? /), date);
  const day = ([week, day, month, year]) => `${week} ${month} ${day} ${year}`;
  const time = parts => `${parts[4]} GMT+0000`;
  const localDay = (_, date) => `${two(date.getUTCMonth() + 1)}/${two(date.getUTCDate())}/${date.getUTCFullYear()}`;
  const localTime = (_, date) => {
    const hour = date.getUTCHours();
    const rest = `${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
    return `${two(hour % 12 || 12)}:${rest} ${hour < 12 ? "AM" : "PM"}`;
  };
  const says = {
    toString: (parts, date) => `${day(parts)} ${time(parts)}`,
    toDateString: day,
    toTimeString: time,
    toLocaleDateString: localDay,
    toLocaleTimeString: localTime,
    toLocaleString: (parts, date) => `${localDay(parts, date)}, ${localTime(parts, date)}`,
  };
  for (const [name, how] of Object.entries(says)) define(proto, name, function () { return named(this, how); });
  define(globalThis, "Date", Fixed);

  define(Math, "random", () => { throw new Error("Math.random is not there: a codec gives the same for the same"); });
  const silent = () => {};
  define(globalThis, "console", { log: silent, info: silent, warn: silent, error: silent, debug: silent, trace: silent });
  define(globalThis, "exports", {});
  define(globalThis, "module", { exports: globalThis.exports });
})
