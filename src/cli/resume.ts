import { telling } from './_tell.ts';

export const resume = telling<object>({
  name: 'resume',
  summary: 'End a pause; an analysis without a result looks again',
  help: '',
  options: [],
  wanted: null,
  body: () => ({}),
});
