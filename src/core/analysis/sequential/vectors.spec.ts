import { describe, expect, it } from 'vitest';
import { hasVectors, vectors } from '../../../../test/worlds/vectors.ts';
import { logBinaryE, nullPoint } from './binary.ts';
import { logSplitE } from './traffic.ts';

interface Block {
  r: number;
  d: number;
  nb: number;
  nc: number;
  pbStar: number;
  pcStar: number;
  pb0: number;
  pc0: number;
  kb: number;
  kc: number;
  logE: number;
}

/** Difference relative to the larger of both and 1e-3: log-evidence below that is no evidence either way. */
function difference(a: number, b: number): number {
  return Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-3);
}

describe.skipIf(!hasVectors('analysis/evariable_blocks.json'))('published block e-variables', () => {
  it('match in their null point and log-evidence', () => {
    const blocks = vectors<Block[]>('analysis/evariable_blocks.json');
    expect(blocks.length).toBeGreaterThan(1000);
    for (const block of blocks) {
      const line = { slope: block.r, shift: block.d };
      const star = { baseline: block.pbStar, candidate: block.pcStar };
      const near = nullPoint(line, star, block.nb, block.nc);
      const log = logBinaryE(line, star, { n: block.nc, k: block.kc }, { n: block.nb, k: block.kb });
      expect(difference(near.baseline, block.pb0), JSON.stringify(block)).toBeLessThan(1e-9);
      expect(difference(near.candidate, block.pc0), JSON.stringify(block)).toBeLessThan(1e-9);
      expect(difference(log, block.logE), JSON.stringify(block)).toBeLessThan(1e-9);
    }
  });
});

describe.skipIf(!hasVectors('analysis/srm.json'))('published traffic-split tests', () => {
  it('match in their log-evidence', () => {
    const cases = vectors<{ nc: number; nb: number; w: number; kappa: number; logE: number }[]>('analysis/srm.json');
    expect(cases.length).toBeGreaterThan(90);
    for (const { nc, nb, w, kappa, logE } of cases) expect(difference(logSplitE(w, nc, nb, kappa), logE), JSON.stringify({ nc, nb, w })).toBeLessThan(1e-9);
  });
});
