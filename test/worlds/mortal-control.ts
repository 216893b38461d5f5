import { processesPlatform } from '../../src/adapters/platform/processes/index.ts';
import type { DeployTarget } from '../../src/ports/platform.ts';

/*
 * A control plane that is killed (SIGKILL) after its n-th write to the outside; it deploys or retires one version.
 * Ends with code 0 when the call was done before that.
 */
export interface MortalControl {
  readonly call: 'ensure' | 'retire';
  readonly dir: string;
  readonly artifact: string;
  readonly supervisorEntry: string;
  readonly target: DeployTarget;
  readonly dieAfter: number;
}

const { call, dir, artifact, supervisorEntry, target, dieAfter } = JSON.parse(process.argv[2] ?? '') as MortalControl;
let writes = 0;
const platform = processesPlatform({
  dir,
  artifacts: { folder: async () => artifact },
  supervisorEntry: new URL(supervisorEntry),
  onWrite: () => {
    writes += 1;
    if (writes === dieAfter) process.kill(process.pid, 'SIGKILL');
  },
});
if (call === 'ensure') await platform.ensure(target, new AbortController().signal);
else await platform.retire(target, target.version, 2_000, target.fence);
process.exit(0);
