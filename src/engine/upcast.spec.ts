import { expect, test } from 'vitest';
import { upcast } from './upcast.ts';

test('old events are read as today knows them, one schema after another', () => {
  const upcasters = {
    'Moved@1': ({ to, ...rest }: Record<string, unknown>) => ({ ...rest, target: to }),
    'Moved@2': (data: Record<string, unknown>) => ({ ...data, by: 'unknown' }),
  };
  expect(upcast('Moved', 1, { to: 'x' }, upcasters)).toEqual({ target: 'x', by: 'unknown' });
  expect(upcast('Moved', 2, { target: 'x' }, upcasters)).toEqual({ target: 'x', by: 'unknown' });
  expect(upcast('Moved', 3, { target: 'x', by: 'ann' }, upcasters)).toEqual({ target: 'x', by: 'ann' });
  expect(upcast('Other', 1, { to: 'x' }, upcasters)).toEqual({ to: 'x' });
});
