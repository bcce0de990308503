import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, type GraphQLError } from "graphql";
import type { Access, Tokens } from "../access/tokens.ts";
import { SECOND_MS, type Clock } from "../lib/clock.ts";
import { createLoop } from "../lib/loop.ts";
import type { ApiContext } from "./context.ts";
import { createSharedShows } from "./shared-shows.ts";
import { shownAhead } from "./shown-ahead.ts";
import { rateLimited, unauthenticated } from "./errors.ts";

const MAX_PER_TOKEN = 100;

/** With the time that a token's answer is trusted (10 s), a revoked token's subscriptions end within 30 s. */
const RECHECK_MS = 10 * SECOND_MS;

export type LiveOptions = {
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly mask: (error: unknown) => GraphQLError;
  readonly onError: (error: unknown) => void;
};

export interface Live {
  /** Subscribes; `args.contextValue` is an ApiContext. */
  subscribe(args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult>;
  /** How many are open. */
  count(): number;
  start(): void;
  /** Ends every subscription. */
  stop(): Promise<void>;
  /** Looks whether the tokens are still good. */
  recheck(): Promise<void>;
}

type Open = { readonly access: Access; readonly controller: AbortController };

/** The subscriptions that are open, whichever way they came: bounded for each token, and ended with it. */
export function createLive({ tokens, clock, mask, onError }: LiveOptions): Live {
  const opened = new Set<Open>();
  const showOf = createSharedShows(clock, (result) => (result.errors ? { ...result, errors: result.errors.map(mask) } : result));

  const recheck = async () => {
    const byToken = Map.groupBy(opened, ({ access }) => access.hash);
    for (const subscriptions of byToken.values()) {
      const [{ access }] = subscriptions as [Open];
      if (await tokens.again(access)) continue;
      for (const { controller } of subscriptions)
        controller.abort(unauthenticated("The token is no longer good: it has expired or was revoked."));
    }
  };
  const loop = createLoop({ cycle: recheck, intervalMs: RECHECK_MS, clock, onError });

  const subscribe = async (args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> => {
    const context = args.contextValue as ApiContext;
    const mine = [...opened].filter(({ access }) => access.tokenId === context.access.tokenId);
    if (mine.length >= MAX_PER_TOKEN) {
      return {
        errors: [
          rateLimited(
            `This token has ${mine.length} subscriptions open; at most ${MAX_PER_TOKEN} are allowed. End some, or use another token.`,
            30,
          ),
        ],
      };
    }
    const controller = new AbortController();
    const open: Open = { access: context.access, controller };
    opened.add(open);
    const close = () => {
      opened.delete(open);
      controller.abort();
    };
    try {
      const source = await createSourceEventStream({ ...args, contextValue: { ...context, signal: controller.signal } });
      if (!(Symbol.asyncIterator in source)) {
        close();
        return source.errors ? { ...source, errors: source.errors.map(mask) } : source;
      }
      return shownAhead({ source: source[Symbol.asyncIterator](), show: showOf(args), signal: controller.signal, close, mask });
    } catch (error) {
      close();
      throw error;
    }
  };

  return {
    subscribe,
    recheck,
    count: () => opened.size,
    start: () => loop.start(),
    async stop() {
      await loop.stop();
      for (const { controller } of opened) controller.abort();
    },
  };
}
