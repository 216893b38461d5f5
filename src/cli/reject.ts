import { reasonOption } from './_options.ts';
import { telling } from './_tell.ts';

export const reject = telling<{ readonly reason: string }>({
  name: 'reject',
  summary: 'Say no to a release: it is put back, with the reason on record',
  help: 'Follows it until everything is back; being back is success (exit 0).\n\n  $ sluice reject r-42 --reason "prices are wrong"',
  options: [reasonOption().makeOptionMandatory()],
  wanted: 'back',
  body: ({ reason }) => ({ reason }),
});
