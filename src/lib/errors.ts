// Two kinds of errors. What the caller can mend is a value, a UserError; everything else is thrown.

export type UserErrorCode = "INVALID" | "NOT_FOUND" | "TAKEN" | "CONFLICT" | "INVALID_STATE" | "LIMIT_EXCEEDED" | "SUPPRESSED";

/** Something the caller can mend. `message` is a sentence that says what is wrong and what would be right; `field` is the path to the input
 *  field, such as ["input", "steps", "0", "text"]. */
export type UserError = { readonly code: UserErrorCode; readonly message: string; readonly field?: readonly string[] };

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly errors: readonly UserError[] };

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });

export const refused = (...errors: readonly UserError[]): Result<never> => ({ ok: false, errors });

export const invalid = (message: string, ...field: string[]): UserError => ({ code: "INVALID", message, field });

/** An error whose message is meant for the operator at the terminal: printed without a stack, and the process ends. */
export class OperatorError extends Error {
  override name = "OperatorError";
}
