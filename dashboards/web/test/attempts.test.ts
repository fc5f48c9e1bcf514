import { expect, test } from "vitest";
import { Attempts } from "../src/api/attempts";
import { Refused } from "../src/api/client";

test("a key stays until there is an answer, and is for one thing only", async () => {
  const attempts = new Attempts();
  const keys: string[] = [];
  const send = (asked: unknown[], error?: Error) =>
    attempts
      .send(asked, (key) => {
        keys.push(key);
        return error ? Promise.reject(error) : Promise.resolve("taken");
      })
      .catch((why: unknown) => why);
  await send(["cab-01", "unlock", "A3"], new TypeError("the connection is gone"));
  await send(["cab-01", "unlock", "A3"], new Refused(503, "unanswered", "", ""));
  await send(["cab-01", "unlock", "A4"], new TypeError("the connection is gone"));
  await send(["cab-02", "unlock", "A3"], new TypeError("the connection is gone"));
  expect(await send(["cab-01", "unlock", "A3"])).toBe("taken");
  expect(new Set([keys[0], keys[1], keys[4]]).size).toBe(1);
  expect(new Set([keys[0], keys[2], keys[3]]).size).toBe(3);
  await send(["cab-01", "unlock", "A3"], new Refused(409, "refused", "", ""));
  await send(["cab-01", "unlock", "A3"]);
  expect(new Set(keys.slice(4)).size).toBe(3);
});
