// Cells of a CSV file that a spreadsheet is going to open.

/** What spreadsheets run as a formula, also behind blanks and in its full-width forms (OWASP, "CSV Injection"). Apostrophes before it count as part of it,
 *  so that `restored` can tell the one that `harmless` put there from those that were there before. */
const FORMULA = /^'*(?:[\t\r\n]|[\s\p{Cf}]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\uFE66\uFE62\uFE63\uFE6B\u2212])/u;

/** The cell as text that is not run. A phone number begins like a formula too. */
export const harmless = (cell: string): string => (FORMULA.test(cell) ? `'${cell}` : cell);

/** What `harmless` was given. */
export const restored = (cell: string): string => (cell.startsWith("'") && FORMULA.test(cell.slice(1)) ? cell.slice(1) : cell);

const IN_NEED_OF_QUOTES = /["\r\n,;\t]|^\s|\s$/;

/** One row, with its line break. */
export const csvRow = (cells: readonly string[], delimiter: string): string =>
  `${cells.map((cell) => (IN_NEED_OF_QUOTES.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(delimiter)}\r\n`;
