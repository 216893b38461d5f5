import { reasonOption } from '../../session/options.ts';
import { telling } from './tell.ts';

export const abort = telling<{ readonly reason?: string }>({
  name: 'abort',
  help: 'Traffic goes back to the stable version first. Follows it until everything is back; being back is\nsuccess (exit 0).',
  options: [reasonOption()],
  wanted: 'back',
  body: ({ reason }) => (reason === undefined ? {} : { reason }),
});
