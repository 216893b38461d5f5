import { expect, it } from 'vitest';
import { randomFrom } from '../simulate.ts';
import { logBinaryE } from './binary.ts';
import { boldAlternative, type Outlook } from './deadline.ts';

const LINE = { slope: 0, shift: 0.05 };
const EXPECTED = 0.039;
const [BLOCKS, BLOCK] = [90, 50];
const NEEDS = Math.log(20);

const outlook = (change: Partial<Outlook>): Outlook => ({ has: 0, needs: NEEDS, judged: 0, coming: BLOCKS * BLOCK, ...change });

/** Log-evidence at the end of a bake whose candidate has this share of slow requests. */
function bake(share: number, random: () => number): number {
  let has = 0;
  for (let block = 0; block < BLOCKS; block++) {
    const look = outlook({ has, judged: block * BLOCK, coming: (BLOCKS - block) * BLOCK });
    const star = boldAlternative(LINE, LINE.shift, EXPECTED, 0, look);
    let k = 0;
    for (let i = 0; i < BLOCK; i++) if (random() < share) k += 1;
    if (star !== null) has += logBinaryE(LINE, star, { n: BLOCK, k }, { n: 0, k: 0 });
  }
  return has;
}

it('passes what is on the line no more often than agreed, and nearly all that is as expected', () => {
  const random = randomFrom(20);
  const bad = Array.from({ length: 3000 }, () => bake(LINE.shift, random));
  const good = Array.from({ length: 600 }, () => bake(EXPECTED, random));
  const passed = (runs: readonly number[]) => runs.filter((has) => has >= NEEDS).length / runs.length;
  expect(passed(bad)).toBeLessThan(0.05);
  expect(bad.reduce((sum, has) => sum + Math.exp(has), 0) / bad.length).toBeLessThan(1.1);
  // A single candidate-like bet passes 84 % at this size, the fixed sample 97 %.
  expect(passed(good)).toBeGreaterThan(0.94);
});

it('bets nothing once it has won, when nothing is to come, and where the expected is not below the line', () => {
  expect(boldAlternative(LINE, 0.05, EXPECTED, 0, outlook({ has: NEEDS }))).toBeNull();
  expect(boldAlternative(LINE, 0.05, EXPECTED, 0, outlook({ coming: 0 }))).toBeNull();
  expect(boldAlternative(LINE, 0.05, 0.05, 0, outlook({}))).toBeNull();
  expect(boldAlternative({ slope: 1.1, shift: 0.5 }, 0.9, 0.9, 0.05, outlook({}))).toBeNull();
});

it('bets bolder the more it is behind, within what can be true', () => {
  const at = (has: number) => boldAlternative(LINE, 0.05, EXPECTED, 0, outlook({ has, judged: 4000, coming: 500 }))?.candidate ?? 1;
  expect(at(-1)).toBeLessThanOrEqual(at(1));
  expect(at(1)).toBeLessThan(at(2.9));
  expect(at(-400)).toBeGreaterThan(0);
});
