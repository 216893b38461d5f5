import type { ReportReader } from '../../ports/reports.ts';
import { coberturaReader } from './cobertura.ts';
import { cyclonedxReader } from './cyclonedx.ts';
import { junitReader } from './junit.ts';
import { lcovReader } from './lcov.ts';
import { k6Reader } from './metrics.ts';
import { npmAuditReader } from './npm-audit.ts';
import { osvReader } from './osv.ts';
import { sarifReader } from './sarif.ts';
import { sonarqubeReader } from './sonarqube.ts';

/** Every format that can be read. */
export const reportReaders: readonly ReportReader[] = [
  lcovReader,
  coberturaReader,
  junitReader,
  sarifReader,
  cyclonedxReader,
  sonarqubeReader,
  k6Reader,
  npmAuditReader,
  osvReader,
];
