import type { Platform } from '../../../ports/platform.ts';
import { processMistakes } from './settings.ts';

/** What this platform is, before it is asked for anything. */
export const PROCESSES = {
  name: 'processes',
  capabilities: {
    traffic: 'edge',
    routingReadable: true,
    metricsPerVersion: true,
    preview: true,
    maxVersions: null,
    artifacts: ['folder'],
    isLocal: true,
  },
  check: processMistakes,
} as const satisfies Pick<Platform, 'name' | 'capabilities' | 'check'>;
