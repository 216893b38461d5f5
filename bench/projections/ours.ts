import { openOperations } from '../../src/projections/operations.ts';
import { codeOf } from '../../test/worlds/projections.ts';

/* One process of a rebuild: `ours.ts <url> <shards> <code>`. Begins it when nobody has, helps otherwise; prints time and memory. */
const [, , url = '', shards = '1', code = ''] = process.argv;
const operations = await openOperations({ url, store: {} });
const started = performance.now();
const build = await operations.start(codeOf(code), Number(shards));
const { signal } = new AbortController();
while (!(await operations.build(build, signal))) await new Promise((resolve) => setTimeout(resolve, 5));
const ms = performance.now() - started;
await operations.close();
process.stdout.write(`${JSON.stringify({ ms, rssMb: Math.round(process.resourceUsage().maxRSS / 1024) })}\n`);
