/** Tells all who listen. What one of them throws is nobody else's matter: the platform reports it. */
export function tell<Args extends unknown[]>(listeners: Iterable<(...args: Args) => void>, ...args: Args): void {
  for (const listener of listeners) {
    try {
      listener(...args);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** Adds to a set; what is returned takes it out again. */
export function member<T>(all: Set<T>, one: T): () => void {
  all.add(one);
  return () => void all.delete(one);
}
