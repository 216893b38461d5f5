import { reasonOption } from '../../session/options.ts';
import { telling } from '../release/tell.ts';

export const reject = telling<{ readonly reason: string }>({
  name: 'reject',
  help: 'A plan that waits for approval ends with nothing changed. A release under way is followed until everything is\nback; being back is success (exit 0).\n\n  $ sluice reject r-42 --reason "prices are wrong"',
  options: [reasonOption().makeOptionMandatory()],
  wanted: 'back',
  body: ({ reason }) => ({ reason }),
});
