import { expect, test } from 'vitest';
import { createSlots } from './slots.ts';

test('no more than there are, and in the order they came', async () => {
  const slots = createSlots(2);
  const first = await slots.take();
  await slots.take();
  const order: string[] = [];
  const third = slots.take().then((giveBack) => {
    order.push('third');
    return giveBack;
  });
  const fourth = slots.take().then(() => order.push('fourth'));
  expect(slots.waiting).toBe(2);
  first();
  first();
  const giveBack = await third;
  expect(order).toEqual(['third']);
  giveBack();
  await fourth;
  expect(order).toEqual(['third', 'fourth']);
});
