import { appOption } from './_options.ts';
import { telling } from './_tell.ts';

export const approve = telling<{ readonly app?: string }>({
  name: 'approve',
  summary: 'Let a release go on that waits for a person',
  help: 'Ends pause steps, the wait before a blue/green switch, and a pause made by hand. It is not a way past\nan analysis without a result: that is `resume` (look again) or `promote` (go on without).',
  options: [appOption()],
  wanted: null,
  body: ({ app }) => (app === undefined ? {} : { app }),
});
