// One npm client against one server: node clients.js PORT ioredis|redis 2|3 plain|cluster
//
// Exit status 0: all of it worked. Any difference throws.
"use strict";
const assert = require("node:assert/strict");

const [port, library, protocol, mode] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4]), process.argv[5]];
const binary = Buffer.from([0, 255, 13, 10, 36, 42, 128]);
const large = Buffer.alloc(1 << 20, "alfheim");

async function withIoredis() {
  const Redis = require("ioredis");
  const client = mode === "cluster"
    ? new Redis.Cluster([{ host: "127.0.0.1", port }], { redisOptions: { protocol, connectTimeout: 10000 } })
    : new Redis({ host: "127.0.0.1", port, protocol, connectTimeout: 10000, commandTimeout: 20000 });
  client.on("error", (error) => { throw error; });
  await client.flushall();
  assert.equal(await client.set("{t}k", "v"), "OK");
  assert.equal(await client.get("{t}k"), "v");
  assert.equal(await client.get("{t}missing"), null);
  await client.set("{t}binary", binary);
  assert.deepEqual(await client.getBuffer("{t}binary"), binary);
  await client.set("{t}large", large);
  assert.ok((await client.getBuffer("{t}large")).equals(large));
  assert.equal(await client.incr("{t}n"), 1);
  assert.equal(await client.incrby("{t}n", 41), 42);
  assert.deepEqual(await client.mget("{t}k", "{t}missing", "{t}n"), ["v", null, "42"]);
  await assert.rejects(client.incr("{t}k"), /value is not an integer or out of range/);

  const piped = await client.pipeline().set("{t}p", "1").incr("{t}p").get("{t}p").exec();
  assert.deepEqual(piped, [[null, "OK"], [null, 2], [null, "2"]]);
  const block = await client.multi().set("{t}m", "a").append("{t}m", "b").get("{t}m").exec();
  assert.deepEqual(block, [[null, "OK"], [null, 2], [null, "ab"]]);
  assert.equal(await client.set("{t}e", "x", "PX", 100000, "NX"), "OK");
  assert.equal(await client.set("{t}e", "x", "NX"), null);
  assert.ok((await client.pttl("{t}e")) > 90000);

  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`{t}many:${i}`, i)));
  const nodes = mode === "cluster" ? client.nodes("master") : [client];
  const seen = new Set();
  for (const node of nodes) {
    for await (const keys of node.scanStream({ match: "{t}many:*", count: 100 })) keys.forEach((key) => seen.add(key));
  }
  assert.equal(seen.size, 1000);
  if (mode === "plain") {
    const other = client.duplicate();
    await client.watch("{t}k");
    await other.set("{t}k", "meanwhile");
    assert.equal(await client.multi().set("{t}k", "mine").exec(), null);
    assert.equal(await client.get("{t}k"), "meanwhile");
    await client.select(3);
    assert.equal(await client.get("{t}k"), null);
    assert.match(await client.info(), /redis_version:7\./);
    other.disconnect();
  }
  client.disconnect();
}

async function withNodeRedis() {
  const { createClient, createCluster, RESP_TYPES } = require("redis");
  const url = `redis://127.0.0.1:${port}`;
  const client = mode === "cluster"
    ? createCluster({ rootNodes: [{ url }], RESP: protocol })
    : createClient({ url, RESP: protocol, socket: { connectTimeout: 10000 } });
  client.on("error", (error) => { throw error; });
  await client.connect();
  if (mode === "plain") await client.flushAll();
  assert.equal(await client.set("{t}k", "v"), "OK");
  assert.equal(await client.get("{t}k"), "v");
  assert.equal(await client.get("{t}missing"), null);
  const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await client.set("{t}binary", binary);
  assert.deepEqual(await buffers.get("{t}binary"), binary);
  await client.set("{t}large", large);
  assert.ok((await buffers.get("{t}large")).equals(large));
  await client.del("{t}n");
  assert.equal(await client.incr("{t}n"), 1);
  assert.equal(await client.incrBy("{t}n", 41), 42);
  assert.deepEqual(await client.mGet(["{t}k", "{t}missing", "{t}n"]), ["v", null, "42"]);
  await assert.rejects(client.incr("{t}k"), /value is not an integer or out of range/);
  assert.deepEqual(await client.multi().set("{t}m", "a").append("{t}m", "b").get("{t}m").exec(), ["OK", 2, "ab"]);
  await client.del("{t}e");
  assert.equal(await client.set("{t}e", "x", { PX: 100000, NX: true }), "OK");
  assert.equal(await client.set("{t}e", "x", { NX: true }), null);
  assert.ok((await client.pTTL("{t}e")) > 90000);
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`{t}many:${i}`, String(i))));
  if (mode === "plain") {
    const seen = new Set();
    for await (const keys of client.scanIterator({ MATCH: "{t}many:*", COUNT: 100 })) [].concat(keys).forEach((key) => seen.add(key));
    assert.equal(seen.size, 1000);
    const other = client.duplicate();
    other.on("error", (error) => { throw error; });
    await other.connect();
    await client.watch("{t}k");
    await other.set("{t}k", "meanwhile");
    await assert.rejects(client.multi().set("{t}k", "mine").exec(), /watched keys/i);
    assert.equal(await client.get("{t}k"), "meanwhile");
    assert.match(await client.info(), /redis_version:7\./);
    other.destroy();
  }
  client.destroy();
}

const deadline = setTimeout(() => { console.error("not finished within 60 s"); process.exit(1); }, 60000);
(library === "ioredis" ? withIoredis() : withNodeRedis()).then(
  () => { clearTimeout(deadline); process.exit(0); },
  (error) => { console.error(error); process.exit(1); });
