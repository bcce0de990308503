import type { FieldMap } from "@pothos/core";
import type { Result, UserError } from "../lib/errors.ts";
import { builder } from "./builder.ts";
import type { BuilderTypes } from "./types.ts";

/** What a mutation answers with: its value, or what the caller has to mend, and then nothing was changed. */
export type Payload<T> = { readonly value: T | null; readonly userErrors: readonly UserError[] };

export async function payload<T>(result: Promise<Result<T>>): Promise<Payload<T>> {
  const outcome = await result;
  return outcome.ok ? { value: outcome.value, userErrors: [] } : { value: null, userErrors: outcome.errors };
}

const UserErrorCodeEnum = builder.enumType("UserErrorCode", {
  description: "The kind of mistake, for programs.",
  values: {
    INVALID: { description: "A value is wrong; the message says what would be right." },
    NOT_FOUND: { description: "Nothing of the workspace has this id, number or name." },
    TAKEN: { description: "Another one has this number or trigger already." },
    CONFLICT: { description: "It does not go with something else, such as an active sequence; or its idempotencyKey was used with another input." },
    INVALID_STATE: { description: "The object's present state does not allow it (launching a campaign that is running, say)." },
    LIMIT_EXCEEDED: { description: "It is too much: too many values, too long, or too large." },
    SUPPRESSED: { description: "The recipient has opted out." },
  } as const,
});

export const UserErrorType = builder.objectRef<UserError>("UserError").implement({
  description: "Something the caller can mend.",
  fields: (t) => ({
    code: t.field({ type: UserErrorCodeEnum, description: "The kind of mistake, for programs.", resolve: ({ code }) => code }),
    message: t.exposeString("message", { description: "A sentence that says what is wrong and what would be right." }),
    field: t.stringList({
      description: 'Path to the input field, such as ["input", "steps", "0", "text"].',
      nullable: true,
      resolve: ({ field }) => (field ? [...field] : null),
    }),
  }),
});

type Fields<T> = PothosSchemaTypes.ObjectFieldBuilder<BuilderTypes, Payload<T>>;

/** A payload type: the fields made of `value` (null where the mutation was refused), and `userErrors`; `description` is theirs, where they mean another thing than elsewhere. */
export function payloadType<T>(name: string, fields: (t: Fields<T>) => FieldMap, description?: string) {
  return builder.objectRef<Payload<T>>(name).implement({
    fields: (t) => ({
      ...fields(t),
      userErrors: t.field({ type: [UserErrorType], ...(description !== undefined && { description }), resolve: ({ userErrors }) => [...userErrors] }),
    }),
  });
}
