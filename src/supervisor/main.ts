import type { Supervision } from './crew.ts';
import { supervise } from './supervise.ts';

/*
 * Entry point: one small process per version, started detached by the control plane. What to run comes through
 * standard input, so that secrets stand in no file and no argument list.
 */
await supervise(await readSupervision());
process.exit(0);

async function readSupervision(): Promise<Supervision> {
  let input = '';
  process.stdin.setEncoding('utf8');
  for await (const part of process.stdin) input += part;
  try {
    return JSON.parse(input) as Supervision;
  } catch {
    // The message of the parser would quote the input, secrets and all.
    throw new Error('told nothing complete: the control plane ended while it started this supervisor');
  }
}
