/** What any program needs to be found, to speak a language, to keep temporary files and to get out through a proxy. */
const USUAL =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS)$/i;

/**
 * What programs of the workspace (configurations, builds, checks, smoke tests, jobs) inherit: an allow-list, because the control
 * plane's own environment holds tokens. `more`: further names that a person has allowed.
 */
export function cleanEnvironment(own: NodeJS.ProcessEnv, more: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    Object.entries(own).flatMap(([name, value]) =>
      value !== undefined && (USUAL.test(name) || more.includes(name)) ? [[name, value]] : [],
    ),
  );
}
