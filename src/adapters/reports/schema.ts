import { z } from 'zod';

/* Foreign reports, only the parts that are used. What is optional here is optional in the format. */

const text = z.string();
const level = z.enum(['none', 'note', 'warning', 'error']);
const bag = z.record(text, z.unknown());
const message = z.object({ text: text.optional(), markdown: text.optional(), id: text.optional() });

const configuration = z.object({ level: level.optional() });
const componentReference = z.object({ name: text.optional(), index: z.number().int().optional(), guid: text.optional() });
/** 3.52, of a rule or of a class of weaknesses. */
const reference = z.object({
  id: text.optional(),
  index: z.number().int().optional(),
  guid: text.optional(),
  toolComponent: componentReference.optional(),
});
const rule = z.object({
  id: text,
  guid: text.optional(),
  deprecatedIds: z.array(text).optional(),
  defaultConfiguration: configuration.optional(),
  relationships: z.array(z.object({ target: reference })).optional(),
  properties: bag.optional(),
});
const component = z.object({ name: text, guid: text.optional(), rules: z.array(rule).optional() });
const artifactLocation = z.object({ uri: text.optional(), uriBaseId: text.optional(), index: z.number().int().optional() });
const result = z.object({
  ruleId: text.optional(),
  ruleIndex: z.number().int().optional(),
  rule: reference.optional(),
  taxa: z.array(reference).optional(),
  provenance: z.object({ invocationIndex: z.number().int().optional() }).optional(),
  level: level.optional(),
  kind: z.enum(['notApplicable', 'pass', 'fail', 'review', 'open', 'informational']).optional(),
  message,
  baselineState: z.enum(['new', 'unchanged', 'updated', 'absent']).optional(),
  locations: z
    .array(
      z.object({
        physicalLocation: z
          .object({
            artifactLocation: artifactLocation.optional(),
            region: z.object({ startLine: z.number().int().min(1).optional(), endLine: z.number().int().min(1).optional() }).optional(),
          })
          .optional(),
      }),
    )
    .optional(),
  fingerprints: z.record(text, text).optional(),
  partialFingerprints: z.record(text, text).optional(),
  suppressions: z.array(z.object({ status: z.enum(['accepted', 'underReview', 'rejected']).optional() })).nullish(),
  properties: bag.optional(),
});

const notifications = z.array(z.object({ level: level.optional(), message: message.optional() })).optional();
const invocation = z.object({
  executionSuccessful: z.boolean(),
  exitSignalName: text.optional(),
  processStartFailureMessage: text.optional(),
  toolExecutionNotifications: notifications,
  toolConfigurationNotifications: notifications,
  ruleConfigurationOverrides: z.array(z.object({ configuration, descriptor: reference })).optional(),
});

export const sarifSchema = z.object({
  version: z.literal('2.1.0'),
  runs: z.array(
    z.object({
      tool: z.object({ driver: component, extensions: z.array(component).optional() }),
      results: z.array(result).nullish(),
      invocations: z.array(invocation).optional(),
      artifacts: z.array(z.object({ location: artifactLocation.optional() })).optional(),
      externalPropertyFileReferences: bag.optional(),
      originalUriBaseIds: z.record(text, artifactLocation).optional(),
    }),
  ),
});
export type SarifResult = z.infer<typeof result>;
export type SarifRule = z.infer<typeof rule>;
export type SarifReference = z.infer<typeof reference>;
export type SarifRun = z.infer<typeof sarifSchema>['runs'][number];

const licence = z.union([z.object({ expression: text }), z.object({ license: z.object({ id: text.optional(), name: text.optional() }) })]);
export interface BomComponent {
  readonly name: string;
  readonly group?: string | undefined;
  readonly version?: string | undefined;
  readonly type: string;
  readonly licenses?: readonly z.infer<typeof licence>[] | undefined;
  readonly components?: readonly BomComponent[] | undefined;
}
const bomComponent: z.ZodType<BomComponent> = z.lazy(() =>
  z.object({
    name: text,
    group: text.optional(),
    version: text.optional(),
    type: text,
    licenses: z.array(licence).optional(),
    components: z.array(bomComponent).optional(),
  }),
);
export const cyclonedxSchema = z.object({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string().regex(/^1\.[2-7]$/),
  metadata: z.object({ component: z.object({ name: text }).optional() }).optional(),
  components: z.array(bomComponent).optional(),
});

export const ceTaskSchema = z.object({ task: z.object({ status: text, analysisId: text.optional(), errorMessage: text.optional() }) });
export const projectStatusSchema = z.object({
  projectStatus: z.object({
    status: z.enum(['OK', 'WARN', 'ERROR', 'NONE']),
    conditions: z
      .array(
        z.object({
          status: z.enum(['OK', 'WARN', 'ERROR', 'NO_VALUE']),
          metricKey: text,
          actualValue: text.optional(),
          errorThreshold: text.optional(),
        }),
      )
      .optional(),
  }),
});

const severity = z.enum(['info', 'low', 'moderate', 'high', 'critical']);
/** Answer of `POST /-/npm/v1/security/advisories/bulk`. */
export const npmBulkSchema = z.record(
  text,
  z.array(z.object({ id: z.number().int(), url: text.optional(), title: text, severity, vulnerable_versions: text.optional() })),
);
const npmVia = z.union([text, z.object({ source: z.number().int(), url: text.optional(), title: text, severity })]);
/** `npm audit --json`, report version 2. */
export const npmAuditSchema = z.object({
  auditReportVersion: z.literal(2),
  vulnerabilities: z.record(text, z.object({ name: text, severity, via: z.array(npmVia) })),
  metadata: z.object({ vulnerabilities: z.object({ total: z.number().int() }) }),
});

const osvVulnerability = z.object({
  id: text,
  aliases: z.array(text).optional(),
  summary: text.optional(),
  withdrawn: text.optional(),
  severity: z.array(z.object({ type: text, score: text })).optional(),
  database_specific: z.object({ severity: text.optional() }).optional(),
});
export type OsvVulnerability = z.infer<typeof osvVulnerability>;
/** `osv-scanner --format json`. */
export const osvScannerSchema = z.object({
  results: z.array(
    z.object({
      packages: z.array(
        z.object({
          package: z.object({ name: text, version: text.optional(), ecosystem: text.optional() }),
          vulnerabilities: z.array(osvVulnerability).optional(),
        }),
      ),
    }),
  ),
});
/** Answer of `POST /v1/query`, or vulnerabilities side by side, each with the packages it is about. */
export const osvListSchema = z.object({
  vulns: z.array(osvVulnerability.extend({ affected: z.array(z.object({ package: z.object({ name: text }).optional() })).optional() })),
});

export const k6Schema = z.object({ metrics: z.record(text, bag) });

/** Package locks of npm, versions 2 and 3. */
export const npmLockSchema = z.object({
  lockfileVersion: z.union([z.literal(2), z.literal(3)]),
  packages: z.record(
    text,
    z.object({ version: text.optional(), name: text.optional(), link: z.boolean().optional(), dev: z.boolean().optional() }),
  ),
});
