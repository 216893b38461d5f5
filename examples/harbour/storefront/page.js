// The page is a function of what the other services answered.

export function page({ account, rates }) {
  const balance =
    account === null
      ? '<p class="note">Accounts are not available just now. Everything else works.</p>'
      : `<p>Balance: <b>${money(account.balance)}</b></p>`;
  const list =
    rates === null
      ? '<p class="note">No rates just now.</p>'
      : `<ul>${Object.entries(rates)
          .map(([name, rate]) => `<li>${escape(name)} ${Number(rate).toFixed(4)}</li>`)
          .join('')}</ul>`;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Harbour</title></head><body><main><h1>Harbour</h1>${balance}${list}</main></body></html>`;
}

export const money = (cents) => `${(cents / 100).toFixed(2)} €`;

const escape = (text) => text.replace(/[&<>"]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter]);
