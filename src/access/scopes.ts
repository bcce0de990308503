export const TOKEN_SCOPES = ["READ", "MANAGE", "PAIR", "ADMIN"] as const;

export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** What each scope allows beside itself. */
const INCLUDES: Readonly<Record<TokenScope, readonly TokenScope[]>> = {
  READ: ["READ"],
  MANAGE: ["READ", "MANAGE"],
  PAIR: ["READ", "PAIR"],
  ADMIN: ["READ", "MANAGE", "ADMIN"],
};

export const hasScope = (scopes: readonly TokenScope[], wanted: TokenScope): boolean =>
  scopes.some((scope) => INCLUDES[scope].includes(wanted));
