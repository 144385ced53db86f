// TensorBoard's event files: records of TensorFlow's framing (a length and a checksum, the data and a checksum), each an Event of
// protobuf. Written: numbers, images, texts; read back: the steps, to know where a file is to be cut off.
// Format: tensorflow/core/util/event.proto, framework/summary.proto, lib/io/record_writer.h

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

import { serializePng } from './png.ts';
import type { OpenFile } from './read-file.ts';
import type { Raster } from './shape.ts';

/** What an event has besides its time and step. */
export type EventContent =
  | { kind: 'version' }
  /** That a run goes on: what came with this step or later is to be forgotten. */
  | { kind: 'start' }
  | { kind: 'scalars'; values: Readonly<Record<string, number>> }
  | { kind: 'image'; tag: string; image: Omit<Raster, 'source'> }
  | { kind: 'text'; tag: string; text: string };

/** A record with one event, as it stands in a file. @param time in seconds since 1970 */
export function encodeEvent(content: EventContent, { step, time }: { step: number; time: number }): Uint8Array {
  const event = new BinaryWriter();
  event.tag(1, WireType.Bit64).double(time);
  if (step !== 0) event.tag(2, WireType.Varint).int64(step);
  if (content.kind === 'version') event.tag(3, WireType.LengthDelimited).string('brain.Event:2');
  else if (content.kind === 'start') message(event, 7, (log) => log.tag(1, WireType.Varint).int32(1));
  else message(event, 5, (summary) => writeSummary(summary, content));
  return framed(event.finish());
}

type Summary = Exclude<EventContent, { kind: 'version' } | { kind: 'start' }>;

function writeSummary(summary: BinaryWriter, content: Summary): void {
  if (content.kind === 'scalars') {
    for (const [tag, value] of Object.entries(content.values)) {
      message(summary, 1, (one) =>
        one.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(single(value)),
      );
    }
    return;
  }
  message(summary, 1, (one) => {
    one.tag(1, WireType.LengthDelimited).string(content.tag);
    if (content.kind === 'image') {
      const { width, height, channels } = content.image;
      message(one, 4, (image) => {
        image.tag(1, WireType.Varint).int32(height).tag(2, WireType.Varint).int32(width);
        image.tag(3, WireType.Varint).int32(channels);
        image.tag(4, WireType.LengthDelimited).bytes(serializePng(content.image));
      });
      return;
    }
    message(one, 8, (tensor) => {
      tensor.tag(1, WireType.Varint).int32(7); // DT_STRING
      message(tensor, 2, (shape) => message(shape, 2, (dim) => dim.tag(1, WireType.Varint).int64(1)));
      tensor.tag(8, WireType.LengthDelimited).string(content.text);
    });
    message(one, 9, (metadata) =>
      message(metadata, 1, (plugin) => plugin.tag(1, WireType.LengthDelimited).string('text')),
    );
  });
}

function message(writer: BinaryWriter, field: number, body: (inner: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  body(writer);
  writer.join();
}

const largest = 3.402_823_466_385_288_6e38;
/** What 32 bits can hold: infinite and NaN as they are. */
const single = (value: number): number =>
  Number.isFinite(value) ? Math.max(-largest, Math.min(largest, value)) : value;

const headerBytes = 12;
const footerBytes = 4;

function framed(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(headerBytes + data.length + footerBytes);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(record.subarray(0, 8)), true);
  record.set(data, headerBytes);
  view.setUint32(headerBytes + data.length, masked(data), true);
  return record;
}

/** How many bytes of a file are whole records, up to the first of a step that is not to be kept. */
export function eventBytesBefore(file: OpenFile, keeps: (step: number) => boolean): number {
  let at = 0;
  while (at + headerBytes + footerBytes <= file.size) {
    const header = file.read(at, headerBytes);
    const view = new DataView(header.buffer, header.byteOffset);
    const length = Number(view.getBigUint64(0, true));
    const end = at + headerBytes + length + footerBytes;
    if (view.getUint32(8, true) !== masked(header.subarray(0, 8)) || end > file.size) break;
    const data = file.read(at + headerBytes, length);
    const footer = file.read(end - footerBytes, footerBytes);
    if (new DataView(footer.buffer, footer.byteOffset).getUint32(0, true) !== masked(data) || !keeps(stepOf(data)))
      break;
    at = end;
  }
  return at;
}

function stepOf(data: Uint8Array): number {
  const reader = new BinaryReader(data);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 2 && wire === WireType.Varint) return Number(reader.int64());
    reader.skip(wire, field);
  }
  return 0;
}

/** The table of CRC-32C, whose polynomial is Castagnoli's. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82_f6_3b_78 : value >>> 1;
  return value >>> 0;
});

function checksum(data: Uint8Array): number {
  let crc = 0xff_ff_ff_ff;
  for (const byte of data) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xff_ff_ff_ff) >>> 0;
}

/** CRC-32C, rotated and shifted, so that a checksum of data that holds checksums is a good one. */
function masked(data: Uint8Array): number {
  const crc = checksum(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa2_82_ea_d8) >>> 0;
}
