// Does a request come from our own gateway, and is it fresh?
//
// headers: req.headers of node, whose names are in lower case
// body:    the Buffer of the body, before anything has parsed it
// key:     the file that "sign=file:..." of paygw_deliver names, without the
//          newline at its end

const crypto = require('crypto');

function genuine(headers, body, key, window = 300) {
    const get = n => String(headers[n] ?? '');
    const names = ['x-paygw-signed', ...get('x-paygw-signed').split(' ')];
    const mac = Buffer.from('v1=' + crypto.createHmac('sha256', key)
        .update(names.map(n => get(n) + '\n').join('')).update(body)
        .digest('hex'));
    return key.length >= 16 && get('x-paygw-signature').split(',')
        .map(s => Buffer.from(s)).some(s => s.length === mac.length
            && crypto.timingSafeEqual(s, mac))
        && Math.abs(Date.now() / 1000 - get('x-paygw-timestamp')) <= window;
}

module.exports = { genuine };
