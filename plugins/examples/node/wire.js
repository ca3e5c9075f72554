// What a connector in Node needs beside the contract: faults as details of a status, and
// the certificate that a host asks for. Only Node's own modules are used.
import crypto from 'node:crypto';

// --- protobuf, as much of it as a fault takes

function varint(n) {
  const out = [];
  for (let v = BigInt(n); ; v >>= 7n) {
    if (v < 128n) return Buffer.from([...out, Number(v)]);
    out.push(Number(v & 127n) | 128);
  }
}

const number = (field, n) => (n ? Buffer.concat([varint(field << 3), varint(n)]) : Buffer.alloc(0));

function bytes(field, value) {
  const b = Buffer.from(value ?? '');
  return b.length ? Buffer.concat([varint((field << 3) | 2), varint(b.length), b]) : b;
}

const seconds = (n) => number(1, Math.floor(n)); // Duration and Timestamp begin alike

const codes = {
  RETRY_AFTER: 14, QUOTA_UNTIL: 8, INVALID_CONFIG: 3, INVALID_RECORD: 3, UNAUTHORIZED: 7, CURSOR_LOST: 11,
  SCHEMA_CHANGED: 9, RECORD_GONE: 5, UNKNOWN_OUTCOME: 2, STALE: 9, UNSUPPORTED: 12, INTERNAL: 13,
};

// Fault is an error that the host understands. Anything else that is thrown is told as
// INTERNAL, without its text.
export class Fault extends Error {
  constructor(kind, message, { origin = 'VENDOR', reason = '', path = '', after = 0, until = 0 } = {}) {
    super(message);
    Object.assign(this, { kind, origin, reason, path, after, until });
  }

  // The form that it has in a result.
  get wire() {
    const { kind, origin, reason, message, path } = this;
    return { kind, origin, reason, message, path, after: this.after ? { seconds: this.after } : null };
  }
}

// status is what a gRPC method answers with for an error.
export function status(grpc, error) {
  const f = error instanceof Fault
    ? error
    : new Fault('INTERNAL', 'the connector failed; its log says more', { origin: 'CONNECTOR' });
  const fault = Buffer.concat([
    bytes(1, f.kind), bytes(2, f.origin), bytes(3, f.reason), bytes(4, f.message), bytes(5, f.path),
    f.after ? bytes(6, seconds(f.after)) : Buffer.alloc(0), f.until ? bytes(7, seconds(f.until)) : Buffer.alloc(0),
  ]);
  const any = Buffer.concat([bytes(1, 'type.googleapis.com/headwater.plugin.v1.Fault'), bytes(2, fault)]);
  const code = codes[f.kind] ?? 2;
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', Buffer.concat([number(1, code), bytes(2, f.message), bytes(3, any)]));
  return { code, details: f.message, metadata };
}

// --- a certificate for this process alone, for "localhost", signed by itself

function der(tag, ...parts) {
  const body = Buffer.concat(parts);
  let length = Buffer.from([body.length]);
  if (body.length > 127) {
    const size = [];
    for (let n = body.length; n > 0; n >>= 8) size.unshift(n & 255);
    length = Buffer.from([128 | size.length, ...size]);
  }
  return Buffer.concat([Buffer.from([tag]), length, body]);
}

const sequence = (...parts) => der(0x30, ...parts);
const oid = (hex) => der(0x06, Buffer.from(hex, 'hex'));
const utcTime = (d) => der(0x17, Buffer.from(d.toISOString().replace(/[-:T]|\.\d+/g, '').slice(2)));
const extension = (id, value, critical) => sequence(oid(id), ...(critical ? [der(1, Buffer.from([255]))] : []), der(4, value));

export function certificate() {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const name = sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from('localhost')))));
  const hour = 3600_000;
  const serial = crypto.randomBytes(16);
  serial[0] = (serial[0] & 0x7f) | 1;
  const extensions = sequence(
    extension('551d13', sequence(der(1, Buffer.from([255]))), true), // it stands for itself
    extension('551d0f', der(3, Buffer.from([2, 0x84])), true), // signs, and signs certificates
    extension('551d25', sequence(oid('2b06010505070301'))), // of a server
    extension('551d11', sequence(der(0x82, Buffer.from('localhost')))),
  );
  const body = sequence(
    der(0xa0, der(2, Buffer.from([2]))), der(2, serial), algorithm, name,
    sequence(utcTime(new Date(Date.now() - hour)), utcTime(new Date(Date.now() + 20 * 365 * 24 * hour))),
    name, publicKey.export({ type: 'spki', format: 'der' }), der(0xa3, extensions),
  );
  const signature = crypto.sign('sha256', body, privateKey);
  const cert = sequence(body, algorithm, der(3, Buffer.from([0]), signature));
  const pem = `-----BEGIN CERTIFICATE-----\n${cert.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  return {
    line: cert.toString('base64').replace(/=+$/, ''),
    pem: Buffer.from(pem),
    key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}
