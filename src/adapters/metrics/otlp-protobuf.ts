import { UserError } from '../../core/errors.ts';

/* The part of opentelemetry-proto that OTLP/JSON is asked for too (otlp-schema.ts), so that both are read by one schema. */

type Kind = 'text' | 'bool' | 'double' | 'fixed64' | 'sfixed64' | 'uint64' | 'int64' | 'uint32' | 'sint32' | Shape;
interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly isList?: true;
}
interface Shape {
  readonly [field: number]: Field;
}

const one = (name: string, kind: Kind): Field => ({ name, kind });
const list = (name: string, kind: Kind): Field => ({ name, kind, isList: true });

const anyValue: Shape = {
  1: one('stringValue', 'text'),
  2: one('boolValue', 'bool'),
  3: one('intValue', 'int64'),
  4: one('doubleValue', 'double'),
};
const keyValue: Shape = { 1: one('key', 'text'), 2: one('value', anyValue) };
const times: Shape = { 2: one('startTimeUnixNano', 'fixed64'), 3: one('timeUnixNano', 'fixed64') };
const numberPoint: Shape = {
  ...times,
  4: one('asDouble', 'double'),
  6: one('asInt', 'sfixed64'),
  7: list('attributes', keyValue),
  8: one('flags', 'uint32'),
};
const histogramPoint: Shape = {
  ...times,
  4: one('count', 'fixed64'),
  6: list('bucketCounts', 'fixed64'),
  7: list('explicitBounds', 'double'),
  9: list('attributes', keyValue),
  10: one('flags', 'uint32'),
};
const side: Shape = { 1: one('offset', 'sint32'), 2: list('bucketCounts', 'uint64') };
const exponentialPoint: Shape = {
  ...times,
  1: list('attributes', keyValue),
  4: one('count', 'fixed64'),
  6: one('scale', 'sint32'),
  7: one('zeroCount', 'fixed64'),
  8: one('positive', side),
  10: one('flags', 'uint32'),
};
const temporal = (point: Shape): Shape => ({ 1: list('dataPoints', point), 2: one('aggregationTemporality', 'uint32') });
const metric: Shape = {
  1: one('name', 'text'),
  3: one('unit', 'text'),
  7: one('sum', { ...temporal(numberPoint), 3: one('isMonotonic', 'bool') }),
  9: one('histogram', temporal(histogramPoint)),
  10: one('exponentialHistogram', temporal(exponentialPoint)),
};
const exportRequest: Shape = {
  1: list('resourceMetrics', {
    1: one('resource', { 1: list('attributes', keyValue) }),
    2: list('scopeMetrics', { 2: list('metrics', metric) }),
  }),
};

/** An export request as protobuf, in the shape that OTLP/JSON has. @throws UserError `OTLP_INVALID` */
export function fromProtobuf(bytes: Uint8Array): object {
  try {
    return message(exportRequest, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      'OTLP_INVALID',
      'this is no ExportMetricsServiceRequest: it ends or goes on where it must not',
      'Send OTLP metrics, as http/protobuf or http/json.',
    );
  }
}

/** A response, which says only how many points were refused. */
export function responseToProtobuf(refused: { readonly rejected: number; readonly reason: string } | null): Uint8Array {
  if (refused === null) return new Uint8Array();
  const text = new TextEncoder().encode(refused.reason);
  const partial = [0x08, ...varintOf(refused.rejected), 0x12, ...varintOf(text.length), ...text];
  return Uint8Array.from([0x0a, ...varintOf(partial.length), ...partial]);
}

function varintOf(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varintOf(Math.floor(value / 128))];
}

interface Cursor {
  readonly view: DataView;
  at: number;
}

const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];

/** @throws RangeError where the bytes end too soon, or are none of protobuf's */
function message(shape: Shape, view: DataView): object {
  const found: Record<string, unknown> = {};
  const cursor: Cursor = { view, at: 0 };
  while (cursor.at < view.byteLength) {
    const tag = Number(varint(cursor));
    const [field, wire] = [shape[Math.floor(tag / 8)], tag % 8];
    if (field === undefined) skip(cursor, wire);
    else if (field.isList === true) {
      const values = (found[field.name] ??= []) as unknown[];
      // Numbers may come packed, all in one.
      if (wire === BYTES && typeof field.kind === 'string' && field.kind !== 'text') {
        const packed: Cursor = { view: bytes(cursor), at: 0 };
        while (packed.at < packed.view.byteLength) values.push(value(field.kind, packed));
      } else values.push(value(field.kind, cursor));
    } else found[field.name] = value(field.kind, cursor);
  }
  return found;
}

function value(kind: Kind, cursor: Cursor): unknown {
  if (typeof kind === 'object') return message(kind, bytes(cursor));
  if (kind === 'text') {
    const text = bytes(cursor);
    return new TextDecoder().decode(new Uint8Array(text.buffer, text.byteOffset, text.byteLength));
  }
  if (kind === 'bool') return varint(cursor) !== 0n;
  if (kind === 'uint32') return Number(varint(cursor));
  if (kind === 'sint32') {
    const coded = Number(varint(cursor));
    return coded % 2 === 0 ? coded / 2 : -(coded + 1) / 2;
  }
  if (kind === 'uint64') return String(varint(cursor));
  if (kind === 'int64') return String(BigInt.asIntN(64, varint(cursor)));
  const at = cursor.at;
  cursor.at += 8;
  if (kind === 'double') return spoken(cursor.view.getFloat64(at, true));
  return String(kind === 'fixed64' ? cursor.view.getBigUint64(at, true) : cursor.view.getBigInt64(at, true));
}

/** JSON has no words for these but words. */
function spoken(number: number): number | string {
  return Number.isFinite(number) ? number : String(number);
}

function bytes(cursor: Cursor): DataView {
  const length = Number(varint(cursor));
  const inner = new DataView(cursor.view.buffer, cursor.view.byteOffset + cursor.at, length);
  if (cursor.at + length > cursor.view.byteLength) throw new RangeError('past the end');
  cursor.at += length;
  return inner;
}

function varint(cursor: Cursor): bigint {
  let result = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = cursor.view.getUint8(cursor.at);
    cursor.at += 1;
    result |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return result;
  }
  throw new RangeError('a number without end');
}

function skip(cursor: Cursor, wire: number): void {
  if (wire === VARINT) varint(cursor);
  else if (wire === FIXED64) cursor.at += 8;
  else if (wire === FIXED32) cursor.at += 4;
  else if (wire === BYTES) bytes(cursor);
  else throw new RangeError('a group, or nothing known');
  if (cursor.at > cursor.view.byteLength) throw new RangeError('past the end');
}
