// What every answer tells browsers, whoever gives it: that it is data, which no page may frame, embed or run, and that nobody keeps a copy.
// A route that gives something else says so itself.

/** HTTPS alone (Strict-Transport-Security) is for the proxy to promise that speaks TLS. */
export const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  // Pages of other origins that may use the API do so by CORS, which this does not touch.
  "cross-origin-resource-policy": "same-origin",
  "x-frame-options": "DENY",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
} as const;
