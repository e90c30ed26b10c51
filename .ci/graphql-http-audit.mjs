// The GraphQL over HTTP audit suite (npm package graphql-http) against a server that is already running.
//
//   cd "$(mktemp -d)" && npm init -y && npm install --no-audit --no-fund graphql-http@1.23.1 graphql@16
//   node /path/to/.ci/graphql-http-audit.mjs http://127.0.0.1:8080/graphql
//
// The package is looked up from the working directory. Prints "N of M audits pass" and what does not pass; ends with 1
// when a MUST fails, with 2 when less than everything passes and --strict is given.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { auditServer } = require('graphql-http');

const url = process.argv[2];
if (!url) {
  console.error('usage: graphql-http-audit.mjs URL [--strict]');
  process.exit(64);
}
const results = await auditServer({ url });
const failed = results.filter((result) => result.status !== 'ok');
for (const { id, name, status, reason } of failed) {
  console.log(`${status}  ${id}  ${name}: ${reason}`);
}
console.log(`${results.length - failed.length} of ${results.length} audits pass`);
const musts = failed.filter((result) => result.status === 'error' || result.name.startsWith('MUST'));
process.exit(musts.length > 0 ? 1 : failed.length > 0 && process.argv.includes('--strict') ? 2 : 0);
