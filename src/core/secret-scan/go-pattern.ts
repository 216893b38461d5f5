import { RE2JS } from 're2js';
import { lettersOf, type Pattern, type Tester } from './pattern.ts';

/**
 * A pattern of a user's file, in Go's syntax, matched by RE2's algorithm: each match takes time in proportion to the text, whatever the
 * pattern is. @throws Error where Go would not take it either.
 */
export function goPattern(source: string): Pattern {
  const compiled = RE2JS.compile(source);
  return {
    source,
    *find(bytes) {
      const matcher = compiled.matcher(bytes);
      while (matcher.find()) {
        const groups = Array.from({ length: compiled.groupCount() + 1 }, (_, group) => {
          const from = matcher.start(group);
          return from < 0 ? undefined : lettersOf(bytes, from, matcher.end(group));
        });
        yield { index: matcher.start(), groups };
      }
    },
  };
}

/** A test of a user's file; of texts whose letters are bytes, or of paths. @throws Error where Go would not take it either. */
export function goTester(source: string, texts: 'bytes' | 'paths'): Tester {
  const compiled = RE2JS.compile(source);
  const encoding = texts === 'bytes' ? 'latin1' : 'utf8';
  return { source, test: (text) => compiled.matcher(Buffer.from(text, encoding)).find() };
}
