// What the bench and the process that makes the load tell each other.

export type LoadOrder = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What each answer must be, to the letter: an error is an answer as well, and a fast one. */
  readonly answer: string;
  readonly connections: number;
  readonly warmUpRequests: number;
  readonly seconds: number;
};

export type Loaded = { readonly requests: number; readonly seconds: number; readonly p50Ms: number; readonly p99Ms: number };
