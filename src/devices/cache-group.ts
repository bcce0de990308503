import type { Cache } from "../cache/cache.ts";
import type { OnRead } from "../events/tailer.ts";

/** Under which group a workspace's devices are cached. */
export const devicesGroup = (workspaceId: string): string => `devices:${workspaceId}`;

/** Who hears that a device's state has changed, and asks, is not told how it was before. */
export const forgetChangedDevices =
  (cache: Cache): OnRead =>
  (rows) => {
    const changed = rows.filter(({ type }) => type === "DEVICE_STATUS").map(({ workspaceId }) => workspaceId);
    for (const workspaceId of new Set(changed)) cache.forget(devicesGroup(workspaceId));
  };
