/** A form made from a JSON Schema. What it cannot show as fields is entered as JSON. */
import { useId, useState } from "preact/hooks";
import { isObject, parse, write, type Json } from "../data/json";
import type { Schema } from "../data/types";

/** What a field holds: a value, nothing, or text that is no value yet. */
export type Entry = { value?: Json; wrong?: string };

type FieldProps = {
  name: string;
  schema: Schema;
  root: Schema;
  required: boolean;
  entry: Entry;
  set(entry: Entry): void;
  depth: number;
};

const DEPTH_MAX = 5;

/** The schema that a reference leads to. */
export function resolve(schema: Schema, root: Schema): Schema {
  let found = schema;
  for (let steps = 0; steps < 8 && typeof found["$ref"] === "string"; steps++) {
    const path = (found["$ref"] as string).replace(/^#\/?/, "").split("/").filter(Boolean);
    let at: Json | undefined = root;
    for (const part of path) {
      const name = decodeURIComponent(part).replace(/~1/g, "/").replace(/~0/g, "~");
      at = isObject(at) ? at[name] : undefined;
    }
    if (!isObject(at)) return {};
    found = at;
  }
  return found;
}

/** The type that is entered, and whether `null` is one, too. */
export function typeOf(schema: Schema): { type: string; nullable: boolean } {
  const type = schema["type"];
  if (Array.isArray(type)) {
    const others = type.filter((one) => one !== "null");
    return { type: others.length === 1 ? String(others[0]) : "any", nullable: type.includes("null") };
  }
  return { type: typeof type === "string" ? type : "any", nullable: false };
}

/** The fields of the arguments of a handler. */
export function Fields({ schema, entries, set }: { schema: Schema; entries: Record<string, Entry>; set(entries: Record<string, Entry>): void }) {
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return (
    <>
      {Object.entries(properties).map(([name, property]) => (
        <Field
          key={name}
          name={name}
          schema={isObject(property) ? property : {}}
          root={schema}
          required={required.includes(name)}
          entry={entries[name] ?? {}}
          set={(entry) => set({ ...entries, [name]: entry })}
          depth={0}
        />
      ))}
    </>
  );
}

/** The arguments, or the name of the field that is not right yet. */
export function collect(schema: Schema, entries: Record<string, Entry>): { args: Json } | { wrong: string } {
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const args: { [name: string]: Json } = {};
  for (const [name, entry] of Object.entries(entries)) {
    if (entry.wrong) return { wrong: `${name}: ${entry.wrong}` };
    if (entry.value !== undefined) args[name] = entry.value;
  }
  const missing = required.find((name) => !(String(name) in args));
  return missing === undefined ? { args } : { wrong: `${String(missing)} is needed` };
}

function Field(props: FieldProps) {
  const schema = resolve(props.schema, props.root);
  const { type, nullable } = typeOf(schema);
  const inner = { ...props, schema, required: props.required && !nullable };
  if (Array.isArray(schema["enum"])) return <Choice {...inner} choices={schema["enum"]} />;
  if (props.depth >= DEPTH_MAX) return <JsonField {...inner} />;
  switch (type) {
    case "integer":
    case "number":
      return <NumberField {...inner} whole={type === "integer"} />;
    case "string":
      return <TextField {...inner} />;
    case "boolean":
      return <Choice {...inner} choices={[true, false]} />;
    case "array":
      return isObject(schema["items"]) && !Array.isArray(schema["prefixItems"]) ? <ListField {...inner} /> : <JsonField {...inner} />;
    case "object":
      return isObject(schema["properties"]) && Object.keys(schema["properties"]).length > 0 ? <ObjectField {...inner} /> : <JsonField {...inner} />;
    default:
      return <JsonField {...inner} />;
  }
}

function Label({ id, name, required, hint }: { id: string; name: string; required: boolean; hint: string }) {
  return (
    <label for={id}>
      <span class="field-name">{name}</span>
      <span class="field-hint">
        {hint}
        {required ? "" : hint ? ", optional" : "optional"}
      </span>
    </label>
  );
}

function Wrong({ entry, id }: { entry: Entry; id: string }) {
  return entry.wrong ? (
    <p class="field-wrong" id={`${id}-wrong`}>
      {entry.wrong}
    </p>
  ) : null;
}

function NumberField({ name, schema, required, entry, set, whole }: FieldProps & { whole: boolean }) {
  const id = useId();
  const bound = (key: string) => (typeof schema[key] === "number" ? (schema[key] as number) : undefined);
  const [text, type] = useState(entry.value === undefined ? "" : String(entry.value));
  const read = (now: string): Entry => {
    const trimmed = now.trim();
    if (trimmed === "") return {};
    const fits = whole ? /^[-+]?\d+$/.test(trimmed) : Number.isFinite(Number(trimmed));
    if (!fits) return { wrong: whole ? "a whole number" : "a number" };
    const value = whole && !Number.isSafeInteger(Number(trimmed)) ? BigInt(trimmed) : Number(trimmed);
    const [low, high] = [bound("minimum"), bound("maximum")];
    if (low !== undefined && value < low) return { wrong: `${low} or more` };
    if (high !== undefined && value > high) return { wrong: `${high} or less` };
    return { value };
  };
  return (
    <div class="field">
      <Label id={id} name={name} required={required} hint={whole ? "whole number" : "number"} />
      <input
        id={id}
        inputMode={whole ? "numeric" : "decimal"}
        autocomplete="off"
        value={text}
        aria-invalid={entry.wrong ? true : undefined}
        aria-describedby={entry.wrong ? `${id}-wrong` : undefined}
        onInput={(event) => {
          type(event.currentTarget.value);
          set(read(event.currentTarget.value));
        }}
      />
      <Wrong entry={entry} id={id} />
    </div>
  );
}

function TextField({ name, schema, required, entry, set }: FieldProps) {
  const id = useId();
  const format = schema["format"] === "date-time" ? "a moment" : "text";
  const text = typeof entry.value === "string" ? entry.value : "";
  return (
    <div class="field">
      <Label id={id} name={name} required={required} hint={format} />
      <input
        id={id}
        value={text}
        autocomplete="off"
        spellcheck={false}
        placeholder={schema["format"] === "date-time" ? "2026-01-02T03:04:05Z" : ""}
        onInput={(event) => {
          const now = event.currentTarget.value;
          set(now === "" && !required ? {} : { value: now });
        }}
      />
    </div>
  );
}

function Choice({ name, required, entry, set, choices }: FieldProps & { choices: Json[] }) {
  const id = useId();
  const at = choices.findIndex((choice) => entry.value !== undefined && write(choice) === write(entry.value));
  return (
    <div class="field">
      <Label id={id} name={name} required={required} hint="" />
      <select id={id} value={String(at)} onChange={(event) => {
        const chosen = choices[Number(event.currentTarget.value)];
        set(chosen === undefined ? {} : { value: chosen });
      }}>
        <option value="-1">not given</option>
        {choices.map((choice, i) => (
          <option key={i} value={String(i)}>
            {typeof choice === "string" ? choice : write(choice)}
          </option>
        ))}
      </select>
    </div>
  );
}

function JsonField({ name, schema, required, entry, set }: FieldProps) {
  const id = useId();
  const { type } = typeOf(schema);
  const hint = type === "object" ? "JSON object" : type === "array" ? "JSON list" : "JSON";
  const [text, enter] = useState(entry.value === undefined ? "" : write(entry.value, 2));
  const read = (now: string): Entry => {
    if (now.trim() === "") return {};
    try {
      const value = parse(now);
      if (type === "object" && !isObject(value)) return { wrong: "a JSON object, such as {\"title\": \"Abide\"}" };
      if (type === "array" && !Array.isArray(value)) return { wrong: "a JSON list, such as [1, 2]" };
      return { value };
    } catch {
      return { wrong: "not JSON yet: names and texts need double quotes" };
    }
  };
  return (
    <div class="field">
      <Label id={id} name={name} required={required} hint={hint} />
      <textarea
        id={id}
        rows={Math.min(8, Math.max(2, text.split("\n").length))}
        spellcheck={false}
        value={text}
        placeholder={type === "object" ? '{"title": "Abide"}' : type === "array" ? "[]" : ""}
        aria-invalid={entry.wrong ? true : undefined}
        aria-describedby={entry.wrong ? `${id}-wrong` : undefined}
        onInput={(event) => {
          enter(event.currentTarget.value);
          set(read(event.currentTarget.value));
        }}
      />
      <Wrong entry={entry} id={id} />
    </div>
  );
}

function ListField({ name, schema, root, required, set, depth }: FieldProps) {
  const [items, keep] = useState<{ n: number; entry: Entry }[]>(required ? [{ n: 0, entry: {} }] : []);
  const [next, count] = useState(1);
  const item = isObject(schema["items"]) ? schema["items"] : {};
  const update = (now: { n: number; entry: Entry }[]) => {
    keep(now);
    const wrong = now.find(({ entry }) => entry.wrong)?.entry.wrong;
    const values = now.map(({ entry }) => entry.value).filter((value) => value !== undefined);
    set(wrong ? { wrong } : now.length === 0 && !required ? {} : { value: values });
  };
  return (
    <fieldset class="field">
      <legend>
        <span class="field-name">{name}</span> <span class="field-hint">list{required ? "" : ", optional"}</span>
      </legend>
      {items.map(({ n, entry }, i) => (
        <div class="field-item" key={n}>
          <Field
            name={String(i + 1)}
            schema={item}
            root={root}
            required
            entry={entry}
            set={(now) => update(items.map((old) => (old.n === n ? { n, entry: now } : old)))}
            depth={depth + 1}
          />
          <button type="button" class="bare" aria-label={`Remove item ${i + 1} of ${name}`} onClick={() => update(items.filter((old) => old.n !== n))}>
            ×
          </button>
        </div>
      ))}
      <button type="button" class="quiet small" onClick={() => {
        count(next + 1);
        update([...items, { n: next, entry: {} }]);
      }}>
        Add {items.length ? "another" : "one"}
      </button>
    </fieldset>
  );
}

function ObjectField({ name, schema, root, required, set, depth }: FieldProps) {
  const [entries, keep] = useState<Record<string, Entry>>({});
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const needed = Array.isArray(schema["required"]) ? schema["required"] : [];
  const update = (now: Record<string, Entry>) => {
    keep(now);
    const collected = collect(schema, now);
    if ("wrong" in collected) {
      const begun = Object.values(now).some((entry) => entry.wrong || entry.value !== undefined);
      return set(begun || required ? { wrong: collected.wrong } : {});
    }
    set({ value: collected.args });
  };
  return (
    <fieldset class="field nested">
      <legend>
        <span class="field-name">{name}</span>
      </legend>
      {Object.entries(properties).map(([field, property]) => (
        <Field
          key={field}
          name={field}
          schema={isObject(property) ? property : {}}
          root={root}
          required={needed.includes(field)}
          entry={entries[field] ?? {}}
          set={(entry) => update({ ...entries, [field]: entry })}
          depth={depth + 1}
        />
      ))}
    </fieldset>
  );
}
