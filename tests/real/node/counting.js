// One npm client counts while leaders change: node counting.js PORTS ioredis|redis cluster|sentinel KEY
//
// PORTS: of all nodes, "7001,7002,7003". It says "ready" when it is connected, then runs INCR after INCR
// until its standard input ends, and prints what it saw as one line of JSON: `values` (each answer),
// `errors` (each failure that the application saw), `gap_ms` (the longest time between two answers).
"use strict";
const [ports, library, mode, key] = [process.argv[2].split(",").map(Number), process.argv[3], process.argv[4], process.argv[5]];
const nodes = ports.map((port) => ({ host: "127.0.0.1", port }));
const pauseMs = 5;

async function connectIoredis() {
  const Redis = require("ioredis");
  const client = mode === "cluster" ? new Redis.Cluster(nodes) : new Redis({ sentinels: nodes, name: "mymaster" });
  client.on("error", () => {});  // of single connections; what a command meets is counted below
  await client.ping();
  return { incr: () => client.incr(key), end: () => client.disconnect() };
}

async function connectNodeRedis() {
  const { createCluster } = require("redis");
  const client = createCluster({
    rootNodes: nodes.map(({ host, port }) => ({ url: `redis://${host}:${port}` })),
    // While a node does not answer it asks others who leads only after so long; by default 5 s.
    topologyRefreshOnReconnectionAttemptStrategy: 500,
  });
  client.on("error", () => {});
  await client.connect();
  return { incr: () => client.incr(key), end: () => client.destroy() };
}

async function main() {
  const client = await (library === "ioredis" ? connectIoredis() : connectNodeRedis());
  let ending = false;
  process.stdin.on("end", () => { ending = true; }).resume();
  console.log("ready");
  const values = [], errors = [];
  let [last, gap] = [Date.now(), 0];
  while (!ending) {
    try {
      values.push(Number(await client.incr()));
      gap = Math.max(gap, Date.now() - last);
      last = Date.now();
    } catch (error) {
      errors.push(String(error && error.message || error));
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  console.log(JSON.stringify({ values, errors, gap_ms: Math.max(gap, Date.now() - last) }));
  process.exit(0);
}
main().catch((error) => { console.error(error); process.exit(1); });
