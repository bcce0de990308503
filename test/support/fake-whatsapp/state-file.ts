// Keeps what a fake WhatsApp has to know when it is started again.

import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { State } from "./state.ts";

export interface StateFile {
  /** Undefined where nothing was kept yet. */
  read(): Promise<State | undefined>;
  /** Soon, and once for whatever changes until then. */
  changed(): void;
  /** Now, if there is anything to keep. */
  save(): Promise<void>;
}

const SOON_MS = 200;

export function createStateFile(file: string, state: () => State | undefined): StateFile {
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const save = () => {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(async () => {
      const now = state();
      if (!now) return;
      await mkdir(dirname(file), { recursive: true });
      // Beside it and then in its place: half a file would unlink every device.
      await writeFile(`${file}.new`, JSON.stringify(now), { mode: 0o600 });
      await rename(`${file}.new`, file);
    });
    return writing;
  };

  return {
    async read() {
      try {
        return JSON.parse(await readFile(file, "utf8")) as State;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
    changed: () => void (timer ??= setTimeout(() => void save(), SOON_MS)),
    save,
  };
}
