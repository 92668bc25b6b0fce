/** Objects on an Abide node: called by name, watched while they change. */
import { Db } from "./db.js";
import type { AnyKinds, KindTypes, Options } from "./types.js";

export { Db } from "./db.js";
export { AbideError, type Code } from "./error.js";
export { ObjectHandle, type ChangesOptions } from "./object.js";
export type { Presence, Peer } from "./presence.js";
export type {
  AnyKinds, AskOptions, CallOptions, Calls, Change, DomainEvent, GetOptions, KindTypes, Message, Operation, Options, Page,
  Principal, Search, Snapshot, Status, Update,
} from "./types.js";

/**
 * Connects to a node, and connects again whenever the connection breaks.
 *
 * It is done when the first attempt is: also when that one failed, since the node may come back; `db.status` says.
 * It fails only where the node refuses this client.
 */
export async function connect<Kinds extends { [Kind in keyof Kinds]: KindTypes } = AnyKinds>(
  url: string | Options = {},
  options: Options = {},
): Promise<Db<Kinds>> {
  const db = new Db<Kinds>(typeof url === "string" ? { ...options, url } : url);
  await new Promise<void>((done) => {
    const stop = db.onStatus(() => {
      stop();
      done();
    });
  });
  if (db.status === "closed") throw db.error;
  return db;
}
