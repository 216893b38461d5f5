/**
 * Aborts with `signal`, or after `ms` with a `TimeoutError`. In Node 20 the time-out of `AbortSignal.any([signal,
 * AbortSignal.timeout(ms)])` never comes once garbage has been collected, even while the result is held: nothing holds the
 * time-out but its own listeners, so it is given one.
 */
export function within(signal: AbortSignal, ms: number): AbortSignal {
  const limit = AbortSignal.timeout(ms);
  limit.addEventListener('abort', () => {}, { once: true });
  return AbortSignal.any([signal, limit]);
}
