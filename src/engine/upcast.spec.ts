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

test('a shift of an earlier version of Sluice asked nothing at the edge, and goes on as it did', () => {
  const stored = { app: 'web', weights: { a: 100 } };
  expect(upcast('WeightsShifted', 1, stored)).toEqual({ ...stored, toProve: false });
  expect(upcast('WeightsShifted', 2, { ...stored, toProve: true })).toEqual({ ...stored, toProve: true });
});
