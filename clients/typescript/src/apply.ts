import type { Change, Operation } from "./types.js";

type State = Record<string, unknown>;

/**
 * The state after a change. The state before stays as it is, so that whoever holds it can compare.
 * Throws where an operation does not fit the value it meets: the copy is not the object's any more.
 */
export function apply(before: State | null, change: Change): State | null {
  if (change.deleted) return null;
  const state: State = { ...before, ...change.patch };
  for (const [field, operations] of Object.entries(change.ops ?? {})) {
    state[field] = operations.reduce(edit, copy(state[field]));
  }
  for (const field of change.removed ?? []) delete state[field];
  return state;
}

/** Whether two JSON values are the same. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || !a || !b || Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length
    && names.every((name) => Object.hasOwn(b, name) && same((a as State)[name], (b as State)[name]));
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return [...value];
  return value && typeof value === "object" ? { ...value } : value;
}

/** Edits a copy of a collection field in place, as `Operation::apply` does on the node. */
function edit(value: unknown, operation: Operation): unknown {
  if (operation.op === "add" && (value == null || typeof value === "number")) return (value ?? 0) + operation.by;
  if (operation.op === "put" || operation.op === "delete") return entry((value ?? {}) as State, operation);
  if (operation.op === "clear" && value && !Array.isArray(value)) return {};
  const list = (value ?? []) as unknown[];
  if (!Array.isArray(list)) throw misfit(operation);
  switch (operation.op) {
    case "include":
      if (!list.some((each) => same(each, operation.value))) list.push(operation.value);
      return list;
    case "exclude":
      return list.filter((each) => !same(each, operation.value));
    case "clear":
      return [];
    case "insert":
      if (operation.at > list.length) throw misfit(operation);
      list.splice(operation.at, 0, operation.value);
      return list;
    case "remove":
    case "replace":
      if (operation.at >= list.length) throw misfit(operation);
      list.splice(operation.at, 1, ...(operation.op === "replace" ? [operation.value] : []));
      return list;
    default:
      throw misfit(operation);
  }
}

function entry(map: State, operation: Extract<Operation, { key: string }>): State {
  if (typeof map !== "object" || Array.isArray(map)) throw misfit(operation);
  if (operation.op === "delete") delete map[operation.key];
  else map[operation.key] = operation.value;
  return map;
}

function misfit(operation: Operation): Error {
  return new Error(`operation ${operation.op} does not fit its field`);
}
