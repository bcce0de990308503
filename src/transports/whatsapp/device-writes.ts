// What one device has to write: gathered until the batch that takes it along, read from here meanwhile, and one batch at a time, so that an older value
// never overwrites a newer one.

export type Staged = {
  /** Encoded, like the values of keys. */
  readonly credentials: string | undefined;
  /** By `type/id`; null deletes. */
  readonly keys: ReadonlyMap<string, string | null>;
  /** By message id. */
  readonly inbox: ReadonlyMap<string, Buffer>;
};

type Waiter = { readonly resolve: () => void; readonly reject: (error: unknown) => void };

type Gathered = { credentials: string | undefined; readonly keys: Map<string, string | null>; readonly inbox: Map<string, Buffer>; readonly waiters: Waiter[] };

const nothing = (): Gathered => ({ credentials: undefined, keys: new Map(), inbox: new Map(), waiters: [] });

export interface DeviceWrites {
  /** Resolves once it is committed. */
  stage(staged: Staged): Promise<void>;
  /** What is not yet committed; undefined where nothing is. */
  key(name: string): string | null | undefined;
  credentials(): string | undefined;
  /** Takes all that has come until now. */
  take(): Staged;
  /** What was taken is committed. */
  committed(): void;
  /** What was taken is not, or may not be: whoever waits is told, and what has come meanwhile fails with it, because it may be derived from it. Returns
   *  the names whose values in Postgres are unknown now. */
  failed(error: unknown): string[];
  /** Counts what was staged: where it has grown, what was read in Postgres meanwhile may be outdated. */
  staged(): number;
  failures(): number;
}

/** `onReady`: there is something to take. Called once until it is taken and has ended. */
export function createDeviceWrites(onReady: () => void): DeviceWrites {
  let gathered = nothing();
  let taken = nothing();
  let isQueued = false;
  let staged = 0;
  let failures = 0;

  const queue = () => {
    if (isQueued || gathered.waiters.length === 0) return;
    isQueued = true;
    onReady();
  };
  const end = (waiters: readonly Waiter[], tell: (waiter: Waiter) => void) => {
    isQueued = false;
    for (const waiter of waiters) tell(waiter);
    queue();
  };

  return {
    stage({ credentials, keys, inbox }) {
      staged += 1;
      gathered.credentials = credentials ?? gathered.credentials;
      for (const [name, value] of keys) gathered.keys.set(name, value);
      for (const [messageId, value] of inbox) gathered.inbox.set(messageId, value);
      const written = new Promise<void>((resolve, reject) => gathered.waiters.push({ resolve, reject }));
      queue();
      return written;
    },
    key(name) {
      const value = gathered.keys.get(name);
      return value === undefined ? taken.keys.get(name) : value;
    },
    credentials: () => gathered.credentials ?? taken.credentials,
    take() {
      taken = gathered;
      gathered = nothing();
      return taken;
    },
    committed() {
      const { waiters } = taken;
      taken = nothing();
      end(waiters, ({ resolve }) => resolve());
    },
    failed(error) {
      failures += 1;
      const [lost, derived] = [taken, gathered];
      [taken, gathered] = [nothing(), nothing()];
      end([...lost.waiters, ...derived.waiters], ({ reject }) => reject(error));
      return [...lost.keys.keys()];
    },
    staged: () => staged,
    failures: () => failures,
  };
}
