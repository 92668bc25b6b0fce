/** Objects in React components. */
import { useCallback, useSyncExternalStore } from "react";

import type { Db } from "./db.js";
import type { ObjectHandle } from "./object.js";
import type { Peer } from "./presence.js";
import type { KindTypes, Status } from "./types.js";

/** The state of an object, live: `undefined` while it is not known, `null` when there is no such object. */
export function useObject<T extends KindTypes>(object: ObjectHandle<T>): T["state"] | null | undefined {
  const subscribe = useCallback((changed: () => void) => object.subscribe(changed), [object]);
  return useSyncExternalStore(subscribe, () => object.value);
}

/** Those who look at an object, live. */
export function usePresence(object: Pick<ObjectHandle, "presence">): readonly Peer[] {
  const subscribe = useCallback((changed: () => void) => object.presence.subscribe(changed), [object]);
  return useSyncExternalStore(subscribe, () => object.presence.others);
}

/** Whether there is a connection, live. */
export function useStatus(db: Pick<Db, "status" | "onStatus">): Status {
  const subscribe = useCallback((changed: () => void) => db.onStatus(changed), [db]);
  return useSyncExternalStore(subscribe, () => db.status);
}
