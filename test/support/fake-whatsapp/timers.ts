// What is to happen later, and does not happen any more once the server has stopped.

export interface Timers {
  after(ms: number, task: () => void): void;
  stop(): void;
}

export function createTimers(): Timers {
  const pending = new Set<NodeJS.Timeout>();
  let isStopped = false;

  return {
    after(ms, task) {
      if (isStopped) return;
      const timer = setTimeout(() => {
        pending.delete(timer);
        task();
      }, ms);
      pending.add(timer);
    },
    stop() {
      isStopped = true;
      for (const timer of pending) clearTimeout(timer);
      pending.clear();
    },
  };
}
