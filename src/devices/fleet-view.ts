/** What is known of the worker that sends through one device, in this process. */
export type WorkerStats = {
  readonly processed: number;
  /** Over its last 100 sends; null before the first. */
  readonly averageSendMs: number | null;
  readonly queueDepth: number;
  /** Flows in its queue or being attempted. */
  readonly currentProcessing: number;
  /** Failed of settled, 0 to 1, over its last 100. */
  readonly errorRate: number;
  /** Share of the last minute in which it was busy, 0 to 1. */
  readonly utilization: number;
  readonly lastActivityAt: Date | null;
};

/** The dispatcher's fleet as others may see it. */
export interface FleetView {
  /** Null while no worker runs for the device. */
  worker(deviceId: string): WorkerStats | null;
  /** Of all workers that run in this process. */
  workers(): readonly WorkerStats[];
}
