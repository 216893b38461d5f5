import { reasonOption } from '../../session/options.ts';
import { telling } from './tell.ts';

export const pause = telling<{ readonly reason?: string }>({
  name: 'pause',
  help: 'A pause does not last for ever: after the pause deadline (24 h by default) the release is put back.',
  options: [reasonOption()],
  wanted: null,
  body: ({ reason }) => (reason === undefined ? {} : { reason }),
});
