/**
 * The bytes of images, for who reads tables himself: a few pieces, zeros between them. Told at
 * start and never changed, so no part of the state.
 */
const PIECES: i32 = 64;

/** Byte offsets of a piece's record. */
enum Piece {
  Image = 0,
  /** Where it lies among the bytes, and how many it has. */
  At = 4,
  Bytes = 8,
  /** 64-bit: where it lies in the image. */
  Offset = 16,
  Size = 24,
}

export class Content {
  readonly bytes: DataView;
  private readonly pieces: DataView;
  private count: i32 = 0;
  private used: i32 = 0;

  constructor(bytes: i32) {
    this.bytes = new DataView(new ArrayBuffer(bytes));
    this.pieces = new DataView(new ArrayBuffer(PIECES * Piece.Size));
  }

  /** Room for a piece of an image: where its bytes are to be left. */
  add(image: i32, offset: u64, bytes: i32): i32 {
    const at = this.used;
    assert(this.count < PIECES && bytes > 0 && at + bytes <= this.bytes.byteLength);
    const record = this.count * Piece.Size;
    this.pieces.setInt32(record + Piece.Image, image, true);
    this.pieces.setInt32(record + Piece.At, at, true);
    this.pieces.setInt32(record + Piece.Bytes, bytes, true);
    this.pieces.setUint64(record + Piece.Offset, offset, true);
    this.count++;
    this.used = at + bytes;
    return at;
  }

  /** Copies a range of an image. */
  read(image: i32, offset: u64, view: DataView, at: i32, bytes: i32): void {
    for (let i = 0; i < bytes; i++) view.setUint8(at + i, 0);
    for (let piece = 0; piece < this.count; piece++) {
      const record = piece * Piece.Size;
      if (this.pieces.getInt32(record + Piece.Image, true) !== image) continue;
      this.copy(record, offset, view, at, bytes);
    }
  }

  private copy(record: i32, offset: u64, view: DataView, at: i32, bytes: i32): void {
    const from = this.pieces.getUint64(record + Piece.Offset, true);
    const end = u64(from + u64(this.pieces.getInt32(record + Piece.Bytes, true)));
    const first = from > offset ? from : offset;
    const until = u64(offset + u64(bytes));
    const last = end < until ? end : until;
    if (first >= last) return;
    const count = i32(u64(last - first));
    const source = this.pieces.getInt32(record + Piece.At, true) + i32(u64(first - from));
    const target = at + i32(u64(first - offset));
    for (let i = 0; i < count; i++) {
      view.setUint8(target + i, this.bytes.getUint8(source + i));
    }
  }
}
