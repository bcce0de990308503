// What is fetched from a URL that somebody outside has given, from real servers on the loopback interface: the one that may be private is named.

import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setDefaultResultOrder } from "node:dns";
import { afterEach, describe, expect, test } from "vitest";
import { createFetchMedia } from "../../src/media/fetch.ts";
import { MAX_MEDIA_BYTES } from "../../src/media/kinds.ts";

setDefaultResultOrder("ipv4first");

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<{ host: string; url: (path: string) => string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    listener(request, response);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, asked, url: (path) => `http://${host}${path}` };
}

const PRIVATE = { ok: false, problem: expect.stringMatching(/^The address leads into a private network/) };

describe("a file", () => {
  test("is fetched, and called by the last part of its address", async () => {
    const { host, url } = await serve((_request, response) => response.end("Hello"));
    expect(await createFetchMedia({ privateHosts: [host] })(url("/a/harga%20baru.txt?size=1"))).toEqual({ ok: true, bytes: Buffer.from("Hello"), fileName: "harga baru.txt" });
  });

  test("is followed to where it was moved, three times", async () => {
    const { host, url, asked } = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end("Here");
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    const fetchMedia = createFetchMedia({ privateHosts: [host] });
    expect(await fetchMedia(url("/3"))).toMatchObject({ ok: true, bytes: Buffer.from("Here") });
    expect(asked).toEqual(["/3", "/2", "/1", "/0"]);
    expect(await fetchMedia(url("/4"))).toEqual({ ok: false, problem: "The address redirects more than 3 times; give the one where the file is." });
  });

  test("that is too large is not read to its end, whether it says so or not", async () => {
    const { host, url } = await serve((request, response) => {
      if (request.url === "/said") return response.writeHead(200, { "content-length": MAX_MEDIA_BYTES + 1 }).flushHeaders();
      const chunk = Buffer.alloc(1_000_000);
      const more = () => {
        while (!response.destroyed && response.write(chunk)) {}
      };
      response.on("drain", more);
      more();
    });
    const fetchMedia = createFetchMedia({ privateHosts: [host] });
    const tooLarge = { ok: false, problem: expect.stringMatching(/^The file has more than 16 MB/) };
    expect(await fetchMedia(url("/said"))).toEqual(tooLarge);
    expect(await fetchMedia(url("/endless"))).toEqual(tooLarge);
  });

  test("that does not come is not waited for", async () => {
    const { host, url } = await serve((_request, response) => void response.write("He"));
    expect(await createFetchMedia({ privateHosts: [host], timeoutMs: 100 })(url("/"))).toEqual({ ok: false, problem: expect.stringMatching(/did not come within/) });
  });

  test("that is not there is told of by the status alone", async () => {
    const { host, url } = await serve((_request, response) => response.writeHead(404).end("secret"));
    expect(await createFetchMedia({ privateHosts: [host] })(url("/"))).toEqual({ ok: false, problem: "The address answered with status 404 instead of the file." });
  });
});

describe("nothing is asked of", () => {
  test.each(["http://127.0.0.1", "http://localhost", "http://0x7f.1", "http://2130706433", "http://[::1]", "http://[::ffff:127.0.0.1]", "http://127.0.0.2", "http://0.0.0.0"])("this machine, called %s", async (start) => {
    const { host, asked } = await serve((_request, response) => response.end("secret"));
    expect(await createFetchMedia({ privateHosts: [] })(`${start}:${host.split(":")[1]}/`)).toEqual(PRIVATE);
    expect(asked).toEqual([]);
  });

  test("a private address that a public one redirects to, by its number or by a name", async () => {
    const hidden = await serve((_request, response) => response.end("secret"));
    const targets = [hidden.url("/"), hidden.url("/").replace("127.0.0.1", "localhost"), "http://169.254.169.254/latest/meta-data/", "//[::1]/"];
    const open = await serve((request, response) => response.writeHead(302, { location: targets[Number(request.url?.slice(1))] }).end());
    const fetchMedia = createFetchMedia({ privateHosts: [open.host] });
    for (const index of targets.keys()) expect(await fetchMedia(open.url(`/${index}`))).toEqual(PRIVATE);
    expect(hidden.asked).toEqual([]);
  });

  test.each(["file:///etc/passwd", "ftp://example.com/a.jpg", "data:image/png;base64,AAAA", "/etc/passwd", "C:\\secret.txt", "", "http://user:password@example.com/", "javascript:alert(1)"])("%s, which is no address of the web", async (url) => {
    expect(await createFetchMedia({ privateHosts: [] })(url)).toEqual({ ok: false, problem: expect.stringMatching(/^Only http and https addresses/) });
  });

  test("a redirect to a local file", async () => {
    const { host, url } = await serve((_request, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end());
    expect(await createFetchMedia({ privateHosts: [host] })(url("/"))).toEqual({ ok: false, problem: expect.stringMatching(/^Only http and https addresses/) });
  });
});
