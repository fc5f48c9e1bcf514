import { expect, test, vi } from "vitest";

vi.stubGlobal("location", { pathname: "/", search: "" });
const { alertPath, devicePath, listPath, parse } = await import("../src/route");

test("each address shows one view", () => {
  expect(parse("/")).toEqual({ room: "overview" });
  expect(parse("/devices")).toEqual({ room: "devices" });
  expect(parse("/devices/")).toEqual({ room: "devices" });
  expect(parse(devicePath("a:b/c"))).toEqual({ room: "device", id: "a:b/c" });
  expect(parse(alertPath("9f2c"))).toEqual({ room: "alert", id: "9f2c" });
  expect(parse("/worklist")).toEqual({ room: "worklist", list: "" });
  expect(parse(listPath("guard_round"))).toEqual({ room: "worklist", list: "guard_round" });
  expect(parse("/system/x")).toEqual({ room: "nowhere" });
  expect(parse("/devices/a/b")).toEqual({ room: "nowhere" });
  expect(parse("/%")).toEqual({ room: "nowhere" });
  expect(parse("/devices/%")).toEqual({ room: "device", id: "%" });
});
