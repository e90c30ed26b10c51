// graphile-worker on the database of DATABASE_URL: drains what it is given, then starts single jobs.
// Arguments: jobs to drain, jobs to start one by one, "plain" or "batched". Prints one line of JSON.
import { performance } from "node:perf_hooks";
import { createRequire } from "node:module";

const require = createRequire(process.env.GRAPHILE_WORKER_DIR + "/");
const { Logger, makeWorkerUtils, run } = require("graphile-worker");

const [drained, single, mode] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const connectionString = process.env.DATABASE_URL;
const logger = new Logger(() => () => {});
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const utils = await makeWorkerUtils({ connectionString, logger });
await utils.migrate();
const enqueuing = performance.now();
for (let left = drained; left > 0; left -= 500) {
  const specs = Array.from({ length: Math.min(left, 500) }, () => ({ identifier: "noop", payload: {} }));
  await utils.addJobs(specs);
}
const enqueued = drained / ((performance.now() - enqueuing) / 1000);

let ran = 0;
let started = () => {};
const batched = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
const begin = performance.now();
const runner = await run({
  connectionString,
  logger,
  concurrency: 64,
  maxPoolSize: 10,
  pollInterval: 1000,
  noHandleSignals: true,
  preset: mode === "batched" ? { worker: batched } : undefined,
  taskList: { noop: async () => { ran += 1; started(); } },
});
while (ran < drained) await sleep(1);
const count = async () => {
  const { rows } = await utils.withPgClient((pg) => pg.query("select count(*)::int as left from graphile_worker.jobs"));
  return rows[0].left;
};
while ((await count()) > 0) await sleep(1);
const perSecond = drained / ((performance.now() - begin) / 1000);

const [starts, wakes] = [[], []];
for (let n = 0; n < single; n += 1) {
  await sleep(7);
  const begun = new Promise((done) => { started = () => done(performance.now()); });
  const asked = performance.now();
  await utils.addJob("noop", {});
  const enqueued = performance.now();
  const start = await begun;
  starts.push(start - asked);
  wakes.push(Math.max(start - enqueued, 0));
}
await runner.stop();
await utils.release();
console.log(JSON.stringify({ enqueued, perSecond, starts, wakes }));
