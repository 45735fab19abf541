/**
 * What has to be given back: mappings, descriptors, threads and processes, in the reverse order of their making.
 *
 * Everything that `calibrate` opens goes through a scope, so that an error or an interrupt in the middle leaves nothing behind.
 */
export interface Scope {
  /** Calls back when the scope is closed. */
  defer(release: () => void | Promise<void>): void;
  /** Gives everything back, the last first; a failure of one stops no other. @throws the first failure */
  close(): Promise<void>;
}

export function createScope(): Scope {
  const releases: (() => void | Promise<void>)[] = [];
  return {
    defer: (release) => void releases.push(release),
    async close() {
      const failures: unknown[] = [];
      for (let release = releases.pop(); release !== undefined; release = releases.pop()) {
        try {
          await release();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** Runs the work with a scope that is closed whatever happens. */
export async function withScope<T>(work: (scope: Scope) => Promise<T> | T): Promise<T> {
  const scope = createScope();
  try {
    return await work(scope);
  } finally {
    await scope.close();
  }
}
