import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { requestTarget } from "./request-target.ts";
import { routeTable } from "./routes.ts";

/** The name of the route that a request gets, or what else there is. */
function routeOf(names: readonly string[], request: string): string {
  const [method = "", path = ""] = request.split(" ");
  const match = routeTable(names).match(method, path);
  if (match.kind === "route") return names[match.index] ?? "";
  return match.kind === "no-method" ? `405 ${match.allow.join(", ")}` : match.kind === "no-path" ? "404" : "400";
}

describe("the most specific route wins", () => {
  const names = [
    "/*",
    "/v1/*",
    "/v1/:tenant/*",
    "/v1/:tenant/orders",
    "POST /v1/:tenant/orders",
    "/v1/t-:tenant/orders",
    "/v1/acme/orders",
    "PUT /v1/acme/orders",
    "/v1/:tenant/orders/:id",
    "/files/*.json",
    "/files/a*",
    "/:any",
  ];
  for (const [request, expected] of [
    ["POST /v1/acme/orders", "/v1/acme/orders"],
    ["PUT /v1/acme/orders", "PUT /v1/acme/orders"],
    ["POST /v1/other/orders", "POST /v1/:tenant/orders"],
    ["PUT /v1/other/orders", "/v1/:tenant/orders"],
    ["PUT /v1/t-1/orders", "/v1/t-:tenant/orders"],
    ["PUT /v1/other/orders/7", "/v1/:tenant/orders/:id"],
    ["PUT /v1/other/else/7", "/v1/:tenant/*"],
    ["PUT /files/b/c.json", "/files/*.json"],
    ["PUT /files/ab.json", "/files/*.json"],
    ["PUT /files/ab.txt", "/files/a*"],
    ["PUT /x", "/:any"],
    ["PUT /x/y", "/*"],
    ["PUT /", "/*"],
  ] as const) {
    test(request, () => {
      assert.equal(routeOf(names, request), expected);
      assert.equal(routeOf(names.toReversed(), request), expected, "in any order");
    });
  }
});

test("a path without a route is 404, one with routes for other methods is 405", () => {
  const names = ["POST /a", "PUT /a", "PATCH /:x", "POST /b/*"];
  assert.equal(routeOf(names, "GET /a"), "405 PATCH, POST, PUT");
  assert.equal(routeOf(names, "PATCH /a"), "PATCH /:x");
  assert.equal(routeOf(names, "DELETE /b/"), "405 POST");
  assert.equal(routeOf(names, "POST /c/d"), "404");
  assert.equal(routeOf(names, "POST /b"), "405 PATCH");
  assert.equal(routeOf([], "POST /"), "404");
  assert.equal(routeOf(["GET /a"], "POST /a"), "405 GET");
});

test("what URLPattern calls a match is one", () => {
  const part = fc.constantFrom(
    "/",
    "a",
    "b",
    "/:x",
    "/:y",
    "/*",
    "{/c}?",
    "{b}",
    "/:z?",
    "%C3%A9",
    "\\:",
    "-",
    ".j",
    "~",
    "é",
  );
  const path = fc.array(fc.constantFrom("/", "a", "b", "c", "/", "%C3%A9", "-", ".j", ":", "~"), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), path, (parts, pieces) => {
      const pattern = `/${parts.join("")}`;
      const sent = `/${pieces.join("")}`;
      let match;
      try {
        match = routeTable([pattern]).match("POST", sent);
      } catch {
        return; // refused
      }
      const isMatch = new URLPattern({ pathname: pattern }).test({ pathname: sent });
      assert.equal(match.kind, isMatch ? "route" : "no-path", `${pattern} ${sent}`);
    }),
    { numRuns: 2_000 },
  );
});

describe("no spelling of a path gets past a route that verifies", () => {
  const spellings =
    `/hooks/%67ithub /hooks/github/ //hooks/github /hooks//github /Hooks/GitHub /hooks/github;x=1 /hooks;x/github
    /hooks\\github /hooks%2Fgithub /hooks%5cgithub /hooks/%2567ithub /hooks/github%00 /hooks/github%20 /hooks/github%3Fx
    //host/hooks/github /\\host/hooks/github /%2fhooks/github /hooks/github%2f /hooks/github%23x /HOOKS%252fgithub/
    /hooks/github;%2Fx /hooks/github;x%5Cy /Hooks%2Fgithub;%2Fx`.split(/\s+/);
  for (const [secured, open] of [
    ["POST /hooks/github", "/*"],
    ["/hooks/:provider", "/:x/*"],
    ["/hooks/git:rest", "/*"],
    ["/hooks/*", "/*"],
    ["/Hooks/GitHub/", "/*"],
    ["/hooks/:x", "/hooks/:x/*"],
  ] as const) {
    for (const spelling of spellings) {
      test(`${spelling}, where ${secured} verifies and ${open} does not`, () => {
        for (const names of [
          [secured, open],
          [open, secured],
        ])
          assert.notEqual(routeOf(names, `POST ${spelling}`), open);
      });
    }
  }

  test("for any two routes and any path that some server takes for another one", () => {
    const letter = fc.constantFrom("a", "A", "%61", "%2561", "/", "//", "%2F", "\\", ";p", "/", "%20", "b");
    const pattern = fc.constantFrom("/a", "/a/", "/a/*", "/:x", "/a/:x", "/*", "/a/b", "/A/b", "/:x/b", "/:x/*");
    const plain = (path: string): string =>
      decodeURIComponent(decodeURIComponent(path))
        .replaceAll("\\", "/")
        .replaceAll(/;[^/]*/g, "")
        .replaceAll(" ", "");
    /** As servers may rewrite a path before they route it. */
    const rewrites: readonly ((path: string) => string)[] = [
      (path) => path.toLowerCase(),
      (path) => plain(path),
      (path) => plain(path.replaceAll(/;[^/]*/g, "")),
      (path) => path.replaceAll(/;[^/]*/g, "").toLowerCase(),
      (path) => plain(path).toLowerCase(),
      (path) => path.replaceAll(/\/+/g, "/"),
      (path) => path.replace(/(?<=.)\/+$/, ""),
      (path) =>
        plain(path)
          .toLowerCase()
          .replaceAll(/\/+/g, "/")
          .replace(/(?<=.)\/$/, ""),
    ];
    fc.assert(
      fc.property(
        fc.uniqueArray(pattern, { minLength: 2, maxLength: 4 }),
        fc.array(letter, { maxLength: 6 }),
        (names, letters) => {
          const table = routeTable(names);
          const path = `/${letters.join("")}`;
          const match = table.match("POST", path);
          if (match.kind !== "route" || names[match.index]?.match(/[*:]/) === null) return;
          for (const rewrite of rewrites) {
            const seen = table.match("POST", rewrite(path));
            if (seen.kind === "route" && !/[A]/.test(names.join("")))
              assert.equal(seen.index, match.index, rewrite(path));
          }
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

test("a path that is spelled in other ways is decided where no other route could have it", () => {
  const names = ["POST /hooks/github", "/api/*", "/v1/:x/orders"];
  assert.equal(routeOf(names, "PUT /api/a%2Fb//C/"), "/api/*");
  assert.equal(routeOf(names, "PUT /v1/a%2Fb/orders"), "/v1/:x/orders");
  assert.equal(routeOf(names, "POST /hooks/%67ithub"), "POST /hooks/github");
  assert.equal(routeOf(names, "POST /hooks/github/"), "404");
  assert.equal(routeOf(["/*"], "POST //a/%2561;x\\B/"), "/*");
  assert.equal(routeOf(["/caf\u00e9"], "POST /caf%c3%a9"), "/caf\u00e9");
  assert.equal(routeOf(["/Orders/:id", "/orders/:id"], "POST /Orders/1"), "/Orders/:id");
  assert.equal(routeOf(["/Orders/:id", "/orders/:id"], "POST /orders/1"), "/orders/:id");
  const alike = routeTable(["/a", "/*"], { mayTake: () => true });
  assert.deepEqual(alike.match("POST", "/A/"), { kind: "route", index: 1 });
});

test("a route that verifies takes what B could read as that of one that does not, and not the other way round", () => {
  const names = ["/api/orders/*", "/*"];
  const verifies = [true, false];
  const table = routeTable(names, { mayTake: (index, other) => verifies[index] === true || verifies[other] === false });
  for (const path of ["/api/orders/", "/api/orders/A/", "/api/orders/a%2Fb"])
    assert.deepEqual(table.match("POST", path), { kind: "route", index: 0 }, path);
  for (const path of ["/", "/other/", "/Other//x", "/%20a"])
    assert.deepEqual(table.match("POST", path), { kind: "route", index: 1 }, path);
  for (const path of ["/api/orders", "/API/orders/1", "/api//orders/1", "/api%2forders/1", "//h/api/orders/1"])
    assert.deepEqual(table.match("POST", path), { kind: "undecided", index: 1, other: 0 }, path);
});

test("routes that are none are refused, by name", () => {
  for (const [name, rule] of [
    ["orders", /a route is a path, or a method and a path/],
    ["", /a route is a path/],
    ["POST  /a", /a route is a path/],
    ["POST /a ", /a route is a path/],
    ["post /a", /no method that is known/],
    ["BREW /a", /no method that is known/],
    ["CONNECT /a", /no method that is known/],
    ["/:x/:x", /no valid URLPattern/],
    ["/a{b", /no valid URLPattern/],
    ["/a?b", /no valid URLPattern/],
    [String.raw`/(\d+)`, /no regular expression/],
    ["/:id(a+)+", /no regular expression/],
    ["/:x+", /may not repeat/],
    ["/:x*", /may not repeat/],
    ["/{a}*", /may not repeat/],
    ["/*/a/*", /one asterisk/],
    ["/:a-:b", /one name or asterisk between two slashes/],
    ["/a//b", /no two in a row/],
    ["/a/%2e%2e/b", /no segments/],
    ["/{a}?{b}?{c}?{d}?{e}?", /4 optional parts/],
    [`/${"a".repeat(500)}`, /more than 500 characters/],
  ] as const) {
    assert.throws(() => routeTable(["/fine", name]), { code: "bad-config", message: rule }, name);
  }
  assert.throws(() => routeTable(Array.from({ length: 1_001 }, (_, at) => `/${at}`)), { code: "bad-config" });
});

test("two routes for the same requests are refused, both by name", () => {
  for (const [one, other] of [
    ["/a/:x", "/a/:y"],
    ["POST /a", "POST /a"],
    ["/a", "/%61"],
    ["/a{/:x}?", "/a"],
    ["/\u00e9", "/%c3%a9"],
    ["/a{b}", "/ab"],
  ] as const) {
    assert.throws(
      () => routeTable([one, "/z", other]),
      (error: Error) => {
        assert.ok(
          error.message.includes(JSON.stringify(one)) && error.message.includes(JSON.stringify(other)),
          error.message,
        );
        return true;
      },
    );
  }
  routeTable(["/a", "POST /a", "PUT /a", "/A", "/a/", "/a/:x", "/a/*"]);
});

test("no path takes long, whatever the routes", () => {
  const names = Array.from({ length: 998 }, (_, at) => `/p${at}/:a/x-:b/*/z`);
  const table = routeTable([...names, "/:a/*/:b.json/:c/end", "/*"]);
  const startedAt = performance.now();
  for (const path of [
    "/a".repeat(8_000),
    "/a.json".repeat(2_000),
    `/p997/a/x-${"/".repeat(15_000)}`,
    "%25".repeat(5_000),
  ])
    table.match("POST", path.startsWith("/") ? path : `/${path}`);
  assert.ok(performance.now() - startedAt < 1_000, `${performance.now() - startedAt} ms`);
});

describe("the target of a request", () => {
  const target = (url: string, method = "POST"): string => {
    try {
      const found = requestTarget(method, url);
      return found.kind === "server" ? "server" : [found.path, found.search, found.authority].join("|");
    } catch (error) {
      return (error as { readonly code: string }).code;
    }
  };

  test("is a path, a whole URL, or the server", () => {
    assert.equal(target("/a%2Fb?x=/../y?z"), "/a%2Fb|?x=/../y?z|");
    assert.equal(target("/?"), "/|?|");
    assert.equal(target("http://h:81/a?b"), "/a|?b|h:81");
    assert.equal(target("HTTPS://[::1]:8081"), "/||[::1]:8081");
    assert.equal(target("http://h?x"), "/|?x|h");
    assert.equal(target("*", "OPTIONS"), "server");
    assert.equal(target("/.../a..b/..c/.well-known"), "/.../a..b/..c/.well-known||");
  });

  test("never leads above the path of B, and is nothing else", () => {
    const dots =
      "/.. /a/../b /a/. /./a /%2e%2E/a /a/%2e /a%2f..%2fb /a\\..\\b /a/..%5cb /a/..;x/b /%252e%252e/a /a/%25252e/b".split(
        " ",
      );
    const others = "* h:443 a/b /a#b /a\u00e9 /a%2525252525252561 http:///a http://u@h/a ftp://h/a http://h\\a".split(
      " ",
    );
    for (const url of [...dots, ...others, "", "/a b", "/a\r\nb", "http://h/../a"])
      assert.equal(target(url), "bad-request", url);
  });
});
