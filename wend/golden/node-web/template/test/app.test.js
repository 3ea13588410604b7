import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { app } from "../app.js";

before(() => new Promise((done) => app.listen(0, "127.0.0.1", done)));
after(() => app.close());
const get = (path) => fetch(`http://127.0.0.1:${app.address().port}${path}`);

test("home is there", async () => assert.equal((await get("/")).status, 200));
test("is healthy", async () => assert.deepEqual(await (await get("/healthz")).json(), { status: "ok" }));
test("what is not there is a 404", async () => assert.equal((await get("/nothing")).status, 404));
