import assert from 'node:assert/strict';
import { test } from 'node:test';
import { money, page } from '../page.js';

test('shows balance and rates', () => {
  const html = page({ account: { balance: 12345 }, rates: { USD: 1.1 } });
  assert.match(html, /123\.45 €/);
  assert.match(html, /USD 1\.1000/);
});

test('goes on without accounts or rates, and says so', () => {
  assert.match(page({ account: null, rates: null }), /not available just now.*No rates just now/s);
});

test('lets nobody write into the page', () => assert.doesNotMatch(page({ account: null, rates: { '<script>': 1 } }), /<script>/));

test('money has two digits', () => assert.equal(money(5), '0.05 €'));
