// Calls a location with "paygw_auth": Node from 18, without any package.
//
//   const { Caller } = require('./call.js');
//   const shop = new Caller('https://pay.example.com', 'k1', secret);
//   const { status, body } = await shop.call('POST', '/api/orders',
//                                            '{"amount":100}');
//
// or  node call.js KEY-ID SECRET-FILE METHOD URL [BODY-FILE]
//
// An answer that is not signed for its call is an error, unless the location is
// without sign_response: new Caller(..., { signed: false }), or CHECK=no.

const crypto = require('node:crypto');

class Unsigned extends Error {}

class Caller {
    constructor(base, keyId, secret, { signed = true, timeout = 10000 } = {}) {
        Object.assign(this, { base, keyId, secret, signed, timeout });
    }

    mac(...lines) {
        const text = lines.map((line) => `${line}\n`).join('');
        return crypto.createHmac('sha256', this.secret).update(text)
            .digest('hex');
    }

    // target: path and query; a body is text or bytes
    async call(method, target, body = '', headers = {}) {
        // fetch() writes some targets in another way ("/a/../b", blanks, text
        // that is not encoded): what is signed is what it will send

        const url = new URL(this.base + target);
        url.search = url.search;    // of "/a?" only some versions send the "?"
        const sent = url.pathname + url.search;
        const time = String(Math.floor(Date.now() / 1000));
        const nonce = crypto.randomBytes(24).toString('base64url');

        const answer = await fetch(url, {
            method,
            body: body.length ? body : undefined,
            redirect: 'manual',
            signal: AbortSignal.timeout(this.timeout),
            headers: {
                ...headers,
                // what fetch() unpacks is not what was signed
                'Accept-Encoding': 'identity',
                'X-Key-Id': this.keyId,
                'X-Timestamp': time,
                'X-Nonce': nonce,
                'X-Signature': this.mac(method, sent, time, nonce,
                                        sha256(body)),
            },
        });

        const bytes = Buffer.from(await answer.arrayBuffer());

        if (this.signed) {
            const got = answer.headers.get('X-Signature') ?? '';
            const want = this.mac(answer.status,
                                  answer.headers.get('X-Timestamp') ?? '',
                                  nonce, sha256(bytes));
            if (!same(got, want)) {
                throw new Unsigned(`the answer (${answer.status}) is not `
                                   + 'signed for this call');
            }
        }

        return { status: answer.status, body: bytes };
    }
}

function sha256(data) {
    return crypto.createHash('sha256').update(data).digest('hex');
}

function same(a, b) {
    return a.length === b.length
        && crypto.timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

async function main([keyId, file, method, url, bodyFile]) {
    const fs = require('node:fs');
    const secret = fs.readFileSync(file, 'latin1').replace(/\n+$/, '');
    const { origin } = new URL(url);
    const caller = new Caller(origin, keyId, Buffer.from(secret, 'latin1'),
                              { signed: process.env.CHECK !== 'no' });
    const body = bodyFile ? fs.readFileSync(bodyFile) : '';
    try {
        const answer = await caller.call(method, url.slice(origin.length),
                                         body);
        process.stdout.write(answer.body);
        process.exitCode = Math.floor(answer.status / 100) === 2 ? 0 : 1;
    } catch (error) {
        process.stderr.write(`call.js: ${error.message}\n`);
        process.exitCode = error instanceof Unsigned ? 3 : 2;
    }
}

module.exports = { Caller, Unsigned };

if (require.main === module) {
    main(process.argv.slice(2));
}
