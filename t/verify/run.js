const fs = require('fs');
const { genuine } = require('../../conf-examples/verify/paygw.js');

for (const name of process.argv.slice(3)) {
    const text = fs.readFileSync(name);
    const end = text.indexOf('\r\n\r\n');
    const headers = {};

    for (const line of text.toString('latin1', 0, end).split('\r\n').slice(1)) {
        const at = line.indexOf(': ');
        headers[line.slice(0, at).toLowerCase()] = line.slice(at + 2);
    }

    console.log(genuine(headers, text.subarray(end + 4), process.argv[2])
        ? 'genuine' : 'forged');
}
