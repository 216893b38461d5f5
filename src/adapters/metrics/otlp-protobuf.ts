import { create, createFileRegistry, fromBinary, fromJson, type JsonObject, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { UserError } from '../../core/errors.ts';

/* The part of opentelemetry-proto that OTLP/JSON is asked for too (otlp-schema.ts), so that both are read by one schema. */

type Kind = 'STRING' | 'BOOL' | 'DOUBLE' | 'FIXED64' | 'SFIXED64' | 'UINT64' | 'INT64' | 'UINT32' | 'INT32' | 'SINT32';

/** A field of a message: its number, its kind (or the message it is), whether there are many of it. */
function field(
  name: string,
  number: number,
  kind: Kind | { readonly message: string },
  label: 'OPTIONAL' | 'REPEATED' = 'OPTIONAL',
): JsonObject {
  const type = typeof kind === 'string' ? { type: `TYPE_${kind}` } : { type: 'TYPE_MESSAGE', typeName: `.otlp.${kind.message}` };
  return { name, jsonName: protoCamelCase(name), number, label: `LABEL_${label}`, ...type };
}

/** A field of which it counts whether it was sent at all. */
function given(name: string, number: number, kind: Kind): JsonObject {
  return { ...field(name, number, kind), proto3Optional: true };
}

function message(name: string, ...fields: readonly JsonObject[]): JsonObject {
  const isOptional = ({ proto3Optional }: JsonObject) => proto3Optional === true;
  // Whether a field was sent is kept by an `oneof` of its own.
  const alone = fields.filter(isOptional);
  const numbered = fields.map((one) => (isOptional(one) ? { ...one, oneofIndex: alone.indexOf(one) } : one));
  return { name, field: numbered, oneofDecl: alone.map((_, i) => ({ name: `_${i}` })) };
}

const ATTRIBUTES = { message: 'KeyValue' };
const TIMES = [field('start_time_unix_nano', 2, 'FIXED64'), field('time_unix_nano', 3, 'FIXED64')];

function points(name: string, kind: string, ...more: readonly JsonObject[]): JsonObject {
  return message(name, field('data_points', 1, { message: kind }, 'REPEATED'), field('aggregation_temporality', 2, 'INT32'), ...more);
}

const MESSAGES: readonly JsonObject[] = [
  message('Request', field('resource_metrics', 1, { message: 'ResourceMetrics' }, 'REPEATED')),
  message(
    'ResourceMetrics',
    field('resource', 1, { message: 'Resource' }),
    field('scope_metrics', 2, { message: 'ScopeMetrics' }, 'REPEATED'),
  ),
  message('Resource', field('attributes', 1, ATTRIBUTES, 'REPEATED')),
  message('ScopeMetrics', field('metrics', 2, { message: 'Metric' }, 'REPEATED')),
  message(
    'Metric',
    field('name', 1, 'STRING'),
    field('unit', 3, 'STRING'),
    field('sum', 7, { message: 'Sum' }),
    field('histogram', 9, { message: 'Histogram' }),
    field('exponential_histogram', 10, { message: 'ExponentialHistogram' }),
  ),
  points('Sum', 'NumberDataPoint', field('is_monotonic', 3, 'BOOL')),
  points('Histogram', 'HistogramDataPoint'),
  points('ExponentialHistogram', 'ExponentialHistogramDataPoint'),
  message(
    'NumberDataPoint',
    ...TIMES,
    given('as_double', 4, 'DOUBLE'),
    given('as_int', 6, 'SFIXED64'),
    field('attributes', 7, ATTRIBUTES, 'REPEATED'),
    field('flags', 8, 'UINT32'),
  ),
  message(
    'HistogramDataPoint',
    ...TIMES,
    field('count', 4, 'FIXED64'),
    field('bucket_counts', 6, 'FIXED64', 'REPEATED'),
    field('explicit_bounds', 7, 'DOUBLE', 'REPEATED'),
    field('attributes', 9, ATTRIBUTES, 'REPEATED'),
    field('flags', 10, 'UINT32'),
  ),
  message(
    'ExponentialHistogramDataPoint',
    field('attributes', 1, ATTRIBUTES, 'REPEATED'),
    ...TIMES,
    field('count', 4, 'FIXED64'),
    field('scale', 6, 'SINT32'),
    field('zero_count', 7, 'FIXED64'),
    field('positive', 8, { message: 'Buckets' }),
    field('flags', 10, 'UINT32'),
  ),
  message('Buckets', field('offset', 1, 'SINT32'), field('bucket_counts', 2, 'UINT64', 'REPEATED')),
  message('KeyValue', field('key', 1, 'STRING'), field('value', 2, { message: 'AnyValue' })),
  message(
    'AnyValue',
    given('string_value', 1, 'STRING'),
    given('bool_value', 2, 'BOOL'),
    given('int_value', 3, 'INT64'),
    given('double_value', 4, 'DOUBLE'),
  ),
  message('Response', field('partial_success', 1, { message: 'PartialSuccess' })),
  message('PartialSuccess', field('rejected_data_points', 1, 'INT64'), field('error_message', 2, 'STRING')),
];

const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: [fromJson(FileDescriptorProtoSchema, { name: 'otlp.proto', package: 'otlp', syntax: 'proto3', messageType: [...MESSAGES] })],
  }),
);

function schemaOf(name: string) {
  const schema = registry.getMessage(`otlp.${name}`);
  if (schema === undefined) throw new Error(`no message ${name}`);
  return schema;
}

const REQUEST = schemaOf('Request');
const RESPONSE = schemaOf('Response');

/** An export request as protobuf, in the shape that OTLP/JSON has. @throws UserError `OTLP_INVALID` */
export function fromProtobuf(bytes: Uint8Array): JsonValue {
  try {
    return toJson(REQUEST, fromBinary(REQUEST, bytes));
  } catch (error) {
    throw new UserError(
      'OTLP_INVALID',
      `this is no ExportMetricsServiceRequest: ${error instanceof Error ? error.message : String(error)}`,
      'Send OTLP metrics, as http/protobuf or http/json.',
      error,
    );
  }
}

/** A response, which says only how many points were refused. */
export function responseToProtobuf(refused: { readonly rejected: number; readonly reason: string } | null): Uint8Array {
  const said = refused === null ? {} : { partialSuccess: { rejectedDataPoints: String(refused.rejected), errorMessage: refused.reason } };
  return toBinary(RESPONSE, fromJson(RESPONSE, said));
}
