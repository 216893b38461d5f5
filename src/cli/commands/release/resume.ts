import { telling } from './tell.ts';

export const resume = telling<object>({
  name: 'resume',
  help: '',
  options: [],
  wanted: null,
  body: () => ({}),
});
