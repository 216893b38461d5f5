import { SluiceError } from '../../core/errors.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Finding } from './finding.ts';

/** Time a platform gets to say whether it can be worked with, ms. */
const ACCESS_MS = 10_000;

/** What a platform says of itself. One that fails over the question, or does not answer in time, cannot be worked with. */
export async function examinePlatform(platform: Pick<Platform, 'name' | 'access'>, timeoutMs = ACCESS_MS): Promise<Finding> {
  const name = `platform ${platform.name}`;
  const late = AbortSignal.timeout(timeoutMs);
  const silence = new Promise<never>((_resolve, reject) => {
    late.addEventListener('abort', () => reject(new Error(`no answer within ${timeoutMs / 1000} s`)), { once: true });
  });
  try {
    return { name, ...(await Promise.race([platform.access(late), silence])) };
  } catch (error) {
    const hint = error instanceof SluiceError ? error.hint : null;
    const message = error instanceof Error ? error.message : String(error);
    return { name, status: 'fail', message, hint: hint ?? `Apps on ${platform.name} cannot be deployed until it answers.` };
  }
}
