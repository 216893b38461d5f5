import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromProtobuf, responseToProtobuf } from './otlp-protobuf.ts';
import { exportRequest } from './otlp-schema.ts';

/** One request each, as OpenTelemetry's own SDK for Node wrote it in both encodings. */
const written = JSON.parse(readFileSync(join(import.meta.dirname, '../../../test/fixtures/otlp/sdk.json'), 'utf8')) as Record<
  string,
  { readonly protobuf: string; readonly json: unknown }
>;

describe('OTLP as protobuf', () => {
  it.each(Object.entries(written))('says the same as JSON (%s)', (_, { protobuf, json }) => {
    const read = exportRequest.parse(fromProtobuf(Buffer.from(protobuf, 'base64')));
    expect(read).toEqual(exportRequest.parse(json));
    expect(read.resourceMetrics[0]?.scopeMetrics[0]?.metrics.length).toBeGreaterThan(2);
  });

  it('is refused, and never misread, wherever it is cut off', () => {
    const whole = Buffer.from(written['cumulative']?.protobuf ?? '', 'base64');
    for (let end = 1; end < whole.length; end++)
      expect(() => fromProtobuf(whole.subarray(0, end)), `cut at ${end}`).toThrow(expect.objectContaining({ code: 'OTLP_INVALID' }));
  });

  it('throws nothing else, whatever it is given', () => {
    const whole = Buffer.from(written['delta']?.protobuf ?? '', 'base64');
    for (let at = 0; at < whole.length; at++)
      for (const byte of [0, 0x7f, 0xff]) {
        const broken = Buffer.from(whole);
        broken[at] = byte;
        try {
          fromProtobuf(broken);
        } catch (error) {
          expect(error).toMatchObject({ code: 'OTLP_INVALID' });
        }
      }
  });

  it('answers nothing where all was taken, and else how many were not', () => {
    expect([...responseToProtobuf(null)]).toEqual([]);
    // partial_success { rejected_data_points: 300, error_message: "old" }
    expect([...responseToProtobuf({ rejected: 300, reason: 'old' })]).toEqual([0x0a, 8, 0x08, 0xac, 0x02, 0x12, 3, 0x6f, 0x6c, 0x64]);
  });
});
