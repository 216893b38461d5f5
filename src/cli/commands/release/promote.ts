import { Option } from 'commander';
import { appOption } from '../../session/options.ts';
import { telling } from './tell.ts';

export const promote = telling<{ readonly full?: boolean; readonly app?: string }>({
  name: 'promote',
  help: '  $ sluice promote r-42\n  $ sluice promote r-42 --full      # 100 % now, without further steps or analysis',
  options: [new Option('--full', 'go to 100 % now: no more steps, pauses or analysis'), appOption()],
  wanted: null,
  body: ({ full, app }) => ({ full: full === true, ...(app === undefined ? {} : { app }) }),
});
