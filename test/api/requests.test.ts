import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

describe("a request that is wrong in itself", () => {
  test.each([
    ["{ viewer ", "Syntax Error"],
    ["{ nothing }", 'Cannot query field "nothing"'],
    ["{ devices(first: -1) { nodes { id } } }", "`first` must be 0 or more, not -1."],
    ["{ devices(first: 1, last: 1) { nodes { id } } }", "Give `first` or `last`, not both."],
    ['{ devices(after: "nonsense") { nodes { id } } }', "`after` is no cursor."],
    ['{ flows(filter: { dueAfter: "yesterday" }) { nodes { id } } }', '"yesterday" is no time. Write it as in RFC 3339'],
    ['{ flows(filter: { dueAfter: "2026-02-30T00:00:00Z" }) { nodes { id } } }', "is no time"],
    ['{ devices(filter: { search: "\\u0000" }) { nodes { id } } }', "The request holds a NUL character"],
  ])("is BAD_USER_INPUT: %s", async (query, message) => {
    const { errors } = await server.query(query);
    expect(errors?.[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
    expect(errors?.[0]?.message).toContain(message);
  });

  test("may hold no text that Postgres cannot keep", async () => {
    const { errors } = await server.query("query($search: String) { devices(filter: { search: $search }) { nodes { id } } }", {
      search: "a\0b",
    });
    expect(errors?.[0]?.message).toContain("The request holds a NUL character");
  });

  test("is QUERY_TOO_COMPLEX where it asks for too much", async () => {
    const query =
      "query($n: Int) { sequences(first: $n) { nodes { enrollments(first: $n) { nodes { sequence { enrollments(first: $n) { nodes { id } } } } } } } }";
    expect((await server.query(query, { n: 2 })).errors).toBeUndefined();
    const { errors } = await server.query(query, { n: 100 });
    expect(errors?.[0]?.extensions["code"]).toBe("QUERY_TOO_COMPLEX");
    const aliases = await server.query(`{ viewer { ${Array.from({ length: 101 }, (_, n) => `w${n}: workspace { id }`).join(" ")} } }`);
    expect(aliases.errors?.[0]?.extensions["code"]).toBe("QUERY_TOO_COMPLEX");
    const tokens = await server.query(`{ ${"viewer { workspace { id } } ".repeat(10_000)} }`);
    expect(tokens.errors?.[0]?.extensions["code"]).toMatch(/QUERY_TOO_COMPLEX|BAD_USER_INPUT/);
  });
});

describe("an unexpected error", () => {
  test("shows an id, and nothing of the database; the log has no data of it either", async () => {
    await server.database.pool.query("ALTER TABLE devices RENAME TO hidden");
    const { errors } = await server.query('{ devices(filter: { search: "60123456789" }) { nodes { id } } }');
    await server.database.pool.query("ALTER TABLE hidden RENAME TO devices");
    expect(errors?.[0]?.extensions["code"]).toBe("INTERNAL_SERVER_ERROR");
    const id = errors?.[0]?.extensions["id"] as string;
    expect(errors?.[0]?.message).toBe(`Something went wrong in the server, not in your request. Its log has the reason under ${id}.`);
    const line = server.log.find((each) => each.includes(id));
    expect(line).toContain("42P01");
    expect(line).not.toContain("60123456789");
    expect(line).not.toContain("SELECT");
  });
});

describe("a body that is too large", () => {
  const boundary = "x";
  const TOO_LARGE =
    "The request is larger than 25 MB. Stream a larger CSV file to POST /imports/leads, which takes any size: curl -T leads.csv -X POST …/imports/leads.";

  test.each(["content-length", "chunked"])("is refused with the way that takes it, without being held in memory (%s)", async (kind) => {
    const before = process.memoryUsage.rss();
    const answer = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      const headers = { "content-type": `multipart/form-data; boundary=${boundary}`, authorization: `Bearer ${server.secret}` };
      const size = 60_000_000;
      const sent = request(
        server.url,
        { method: "POST", headers: kind === "chunked" ? headers : { ...headers, "content-length": size } },
        (response) => {
          let body = "";
          response.on("data", (part: Buffer) => (body += part.toString()));
          response.on("end", () => resolve({ status: response.statusCode, body }));
        },
      );
      sent.on("error", reject);
      const chunk = Buffer.alloc(1_000_000, "a");
      sent.write(`--${boundary}\r\ncontent-disposition: form-data; name="0"; filename="a.csv"\r\n\r\n`);
      let left = kind === "chunked" ? size : size - 71;
      const pump = () => {
        while (left > 0) {
          const part = chunk.subarray(0, Math.min(left, chunk.length));
          left -= part.length;
          if (!sent.write(part)) return void sent.once("drain", pump);
        }
        sent.end();
      };
      pump();
    });
    expect(JSON.parse(answer.body)).toEqual({ errors: [{ message: TOO_LARGE, extensions: { code: "BAD_USER_INPUT" } }] });
    expect(answer.status).toBe(413);
    expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000);
  });
});

describe("GraphiQL", () => {
  test("is at the same address for browsers, needs no token and nothing from elsewhere", async () => {
    const response = await fetch(server.url, { headers: { accept: "text/html" } });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("text/html");
    const page = await response.text();
    expect(page).toContain("<title>Rentak</title>");
    expect(page).toContain(".rentak/admin-token");
    expect(page.match(/<(?:script|link)[^>]+(?:src|href)=["']?https?:[^>]+>/g)).toBeNull();
    expect(page).not.toContain(server.secret);
  });
});
