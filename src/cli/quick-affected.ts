import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { affectedSince } from '../compose/affected.ts';
import { findWorkspace } from '../config/load/find.ts';
import { affectedWords } from './view/affected.ts';
import { ownVersion } from './version.ts';

/** Nothing here runs long enough to be worth optimizing after so little (67,584): that takes a fifth of all the time. */
const PATIENCE = '--interrupt-budget=2000000';

/**
 * `sluice affected --since …`, as it is run before every commit and by every build: the same answer as the whole program
 * gives, without loading it. Null: the whole program is to answer, because something else was asked for, or went wrong.
 */
export async function quickAnswer(args: readonly string[], cwd: string): Promise<{ readonly text: string } | null> {
  try {
    const { values } = parseArgs({
      args: [...args],
      allowPositionals: false,
      options: {
        since: { type: 'string' },
        json: { type: 'boolean' },
        dirty: { type: 'boolean' },
        'no-input': { type: 'boolean' },
        workspace: { type: 'string', short: 'C' },
      },
    });
    if (values.since === undefined) return null;
    setFlagsFromString(PATIENCE);
    const dir = await findWorkspace(resolve(cwd, values.workspace ?? '.'));
    if (dir === null) return null;
    const found = await affectedSince({ dir, version: ownVersion(), since: values.since, dirty: values.dirty === true });
    const { data, text } = affectedWords(found, values.since, undefined);
    return { text: values.json === true ? JSON.stringify(data) : text };
  } catch {
    return null;
  }
}
