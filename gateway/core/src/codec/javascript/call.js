// Calls the script in whichever form it is written. What comes of it is one text: "=" and JSON, "!" and what the
// script reports, "-" when it gives nothing, "?" when it has no such function.
({ verb, bytes, data, port, variables }) => {
  const own = module.exports ?? {};
  const one = (named, name) => typeof named === "function" ? named : own[name];
  const forms = verb === "decode"
    ? [
      typeof decodeUplink === "undefined" ? undefined : decodeUplink,
      typeof Decode === "undefined" ? undefined : Decode,
      typeof Decoder === "undefined" ? undefined : Decoder,
    ]
    : [
      typeof encodeDownlink === "undefined" ? undefined : encodeDownlink,
      typeof Encode === "undefined" ? undefined : Encode,
      typeof Encoder === "undefined" ? undefined : Encoder,
    ];
  const names = verb === "decode" ? ["decodeUplink", "Decode", "Decoder"] : ["encodeDownlink", "Encode", "Encoder"];
  const [now, third, second] = forms.map((form, at) => one(form, names[at]));
  if (!now && !third && !second) return "?";
  const given = verb === "decode" ? bytes : data;
  const input = verb === "decode" ? { bytes, fPort: port, recvTime: new Date(), variables } : { data, fPort: port, variables };
  const answer = now ? now(input) : third ? third(port, given, variables) : second(given, port);
  const reported = now ? [].concat(answer?.errors ?? []) : [];
  if (reported.length > 0) return `!${reported.join("; ")}`;
  if (verb === "decode") {
    const found = now ? answer?.data : answer;
    const text = typeof found === "object" && found !== null ? JSON.stringify(found) : undefined;
    return text === undefined ? "-" : `=${text}`;
  }
  const made = now ? answer?.bytes : answer;
  if (made?.length === undefined) return "-";
  return `=${JSON.stringify({ bytes: Array.from(made, byte => byte & 255), port: (now ? answer.fPort : undefined) ?? port })}`;
}
