"""A screenshot as a PNG of at most 256 colours: a third of its size, for pictures that are mostly flat."""

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser

COLOURS = 256
READ = """async (address) => {
  const image = await createImageBitmap(await (await fetch(address)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  let text = "";
  for (let at = 0; at < pixels.length; at += 32768) text += String.fromCharCode(...pixels.subarray(at, at + 32768));
  return [image.width, image.height, btoa(text)];
}"""


def palette(browser: Browser, png: bytes) -> bytes:
    """The browser reads the picture; its commonest colours stay as they are, others become the nearest of them."""
    page = browser.new_page()
    width, height, text = page.evaluate(READ, f"data:image/png;base64,{base64.b64encode(png).decode()}")
    page.close()
    pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, 4)[:, :3].astype(np.int64)
    colours, place, often = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    kept = colours[np.argsort(-often)[:COLOURS]]
    nearest = np.array([np.argmin(((kept - colour) ** 2).sum(axis=1)) for colour in colours], np.uint8)
    return written(nearest[place.reshape(-1)].reshape(height, width), kept.astype(np.uint8))


def written(indices: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8]) -> bytes:
    """PNG (RFC 2083), colour type 3."""
    height, width = indices.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), indices]).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", colours.tobytes()), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
