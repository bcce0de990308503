import { fileTypeFromBuffer } from "file-type";

/** What a file is, by its first bytes: what its name or its sender says is not asked. Text has none to be known by: it is what is UTF-8 throughout.
 *  Undefined where it is nothing that is known. */
export async function contentTypeOf(bytes: Buffer, fileName: string): Promise<string | undefined> {
  const found = await fileTypeFromBuffer(bytes);
  if (found) return found.mime;
  if (bytes.length === 0 || !isText(bytes)) return undefined;
  return /\.csv$/i.test(fileName) ? "text/csv" : "text/plain";
}

function isText(bytes: Buffer): boolean {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
