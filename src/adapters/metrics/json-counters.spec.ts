import { expect, it } from 'vitest';
import { sampleBetween } from '../../core/analysis/from-counters.ts';
import type { Reading } from '../../core/analysis/reading.ts';
import { readingFrom } from './json-counters.ts';

const query = { environment: 'production', app: 'web', versions: ['new'], settings: { kind: 'web' } };
const paths = { requests: 'requests', errors: 'errors', latency: 'latency' };

it.each(['total', 'since'] as const)(
  'a version that nothing is known of for a while is not counted from the beginning again (%s)',
  async (counts) => {
    let now = 0;
    const look = (previous: Reading | null, answer: object | null) =>
      readingFrom(query, { ...paths, counts }, previous, (now += 1000), async () => answer);
    const first = await look(null, { requests: 100, errors: 10 });
    const hidden = await look(first, null);
    const last = await look(hidden, counts === 'total' ? { requests: 104, errors: 11 } : { requests: 4, errors: 1 });
    expect(sampleBetween(hidden, last, 'new', null).candidate).toMatchObject({ requests: 4, errors: 1 });
    expect(sampleBetween(first, hidden, 'new', null).candidate?.requests ?? 0).toBe(0);
  },
);
