/** A Postgres array literal, such as {"a","b",NULL}. Arrays as one text parameter cost a quarter of the client's time of JavaScript arrays. */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`)).join(",")}}`;
}
