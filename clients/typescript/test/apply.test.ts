import { expect, test } from "vitest";

import { apply, same } from "../src/apply.ts";
import type { Change, Operation } from "../src/types.ts";

const change = (rest: Partial<Change>): Change => ({ seq: 1, at: "", patch: {}, cause: {}, ...rest });
const edited = (before: unknown, ...ops: Operation[]) => apply({ field: before }, change({ ops: { field: ops } }))?.field;

test.each<[string, unknown, Operation, unknown]>([
  ["a counter moves", 3, { op: "add", by: -5 }, -2],
  ["a counter that is not there counts from zero", null, { op: "add", by: 2 }, 2],
  ["a value comes into a set", ["a"], { op: "include", value: "b" }, ["a", "b"]],
  ["a value that is in a set is in it once", [{ a: 1, b: 2 }], { op: "include", value: { b: 2, a: 1 } }, [{ a: 1, b: 2 }]],
  ["a value leaves a set", ["a", "b"], { op: "exclude", value: "a" }, ["b"]],
  ["an entry is set", null, { op: "put", key: "k", value: 1 }, { k: 1 }],
  ["an entry is removed", { k: 1, l: 2 }, { op: "delete", key: "k" }, { l: 2 }],
  ["an element is appended", ["a"], { op: "insert", at: 1, value: "b" }, ["a", "b"]],
  ["an element is removed", ["a", "b"], { op: "remove", at: 0 }, ["b"]],
  ["an element is replaced", ["a", "b"], { op: "replace", at: 1, value: "c" }, ["a", "c"]],
  ["a list is emptied", ["a"], { op: "clear" }, []],
  ["a map is emptied", { a: 1 }, { op: "clear" }, {}],
])("%s", (_, before, operation, after) => {
  expect(edited(before, operation)).toEqual(after);
});

test("an operation that does not fit its field is an error, and changes nothing", () => {
  const before = { field: ["a"] };
  for (const operation of [
    { op: "add", by: 1 }, { op: "put", key: "k", value: 1 }, { op: "insert", at: 2, value: 0 }, { op: "remove", at: 1 },
  ] satisfies Operation[]) {
    expect(() => apply(before, change({ ops: { field: [operation] } }))).toThrow("does not fit");
  }
  expect(before).toEqual({ field: ["a"] });
});

test("a state is a new value after every change, and what did not change is the same", () => {
  const before = { a: { deep: 1 }, list: [1] };
  const after = apply(before, change({ patch: { b: 2 }, ops: { list: [{ op: "insert", at: 1, value: 2 }] } }));
  expect(after).toEqual({ a: { deep: 1 }, b: 2, list: [1, 2] });
  expect(after?.a).toBe(before.a);
  expect(before).toEqual({ a: { deep: 1 }, list: [1] });
});

test("fields that are gone leave the state, and a deleted object has none", () => {
  expect(apply({ a: 1, b: 2 }, change({ removed: ["a"] }))).toEqual({ b: 2 });
  expect(apply({ a: 1 }, change({ deleted: true }))).toBeNull();
});

test("values are compared by what they hold", () => {
  expect(same([1, { a: null }], [1, { a: null }])).toBe(true);
  expect(same({ a: undefined }, { b: undefined })).toBe(false);
  expect(same([], {})).toBe(false);
  expect(same("1", 1)).toBe(false);
});
