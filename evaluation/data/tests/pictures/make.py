"""Makes pictures.tar.gz and pillow.tsv: small pictures of every kind, whole and damaged, and what Pillow makes of them.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 numpy && venv/bin/python make.py

Each line of pillow.tsv: name, width, height, SHA-256 of the bytes of `Image.open(file).convert("RGB")`; or name and
"refused", where Pillow raises.
"""

import hashlib
import io
import struct
import tarfile
import zlib

import numpy as np
from PIL import Image

random = np.random.RandomState(7)
files = {}


def save(name, picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    files[name] = out.getvalue()


def png16(colour, values):
    def part(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


def bmp(bits, data, masks=b"", compression=0, colours=b""):
    head = struct.pack("<IiiHHIIiiII", 40, 6, 5, 1, bits, compression, len(data), 0, 0, len(colours) // 4, 0) + masks
    at = 14 + len(head) + len(colours)
    return b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) + head + colours + data


y, x = np.mgrid[0:17, 0:24]
waves = [128 + 90 * np.sin(x / 3 + k) * np.cos(y / (2 + k)) + random.randint(-30, 31, x.shape) for k in range(3)]
rgb = Image.fromarray(np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8))
grey = rgb.convert("L")
rgba, la, palette = rgb.convert("RGBA"), rgb.convert("LA"), rgb.quantize(50)
rgba.putalpha(grey)
la.putalpha(grey)

for quality in (40, 95):
    for sampling, word in ((0, "444"), (1, "422"), (2, "420")):
        for progressive in (False, True):
            name = f"{word}-{quality}{'-progressive' if progressive else ''}.jpg"
            save(name, rgb, "JPEG", quality=quality, subsampling=sampling, progressive=progressive)
save("restarts.jpg", rgb, "JPEG", quality=75, restart_marker_blocks=1)
save("grey.jpg", grey, "JPEG", quality=75)
save("cmyk.jpg", rgb.convert("CMYK"), "JPEG", quality=75)
for name, picture in (("rgb", rgb), ("grey", grey), ("rgba", rgba), ("la", la), ("palette", palette),
                      ("palette-16", rgb.quantize(13)), ("palette-4", rgb.quantize(4)), ("bits", rgb.convert("1"))):
    save(f"{name}.png", picture, "PNG")
    save(f"{name}.webp", picture, "WEBP", quality=80)
    save(f"{name}-lossless.webp", picture, "WEBP", lossless=True)
    save(f"{name}.gif", picture, "GIF")
    if name != "la":
        save(f"{name}.bmp", picture, "BMP")
    if not name.startswith(("la", "palette")):
        for packing in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            save(f"{name}-{packing}.tif", picture, "TIFF", compression=packing)
save("palette.tif", palette, "TIFF")
save("cmyk.tif", rgb.convert("CMYK"), "TIFF")
save("jpeg-inside.tif", rgb, "TIFF", compression="jpeg")
save("see-through.png", palette, "PNG", transparency=3)
save("see-through-colour.png", rgb, "PNG", transparency=(1, 2, 3))
save("see-through.gif", palette, "GIF", transparency=3)
save("interlaced.gif", palette, "GIF", interlace=1)
flipped = rgb.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
for kind, ending in (("GIF", "gif"), ("WEBP", "webp"), ("PNG", "png"), ("TIFF", "tif")):
    save(f"several.{ending}", rgb, kind, save_all=True, append_images=[flipped])
for orientation in (3, 6):
    exif = Image.Exif()
    exif[0x112] = orientation
    for kind, ending in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif")):
        save(f"orientation-{orientation}.{ending}", rgb, kind, exif=exif)
words = random.randint(0, 65536, (5, 6, 4))
for name, colour, channels in (("rgb", 2, 3), ("rgba", 6, 4), ("la", 4, 2), ("grey", 0, 1)):
    files[f"16-bit-{name}.png"] = png16(colour, words[..., :channels])
numbers = random.randint(0, 256, (5, 6, 3))
files["binary.ppm"] = b"P6\n6 5\n255\n" + numbers.astype(np.uint8).tobytes()
files["text.ppm"] = b"P3\n# a remark\n6 5\n255\n" + b" ".join(b"%d" % n for n in numbers.flatten())
files["binary.pgm"] = b"P5 6 5 255\n" + numbers[..., 0].astype(np.uint8).tobytes()
files["text.pgm"] = b"P2\n6 5\n255\n" + b"\n".join(b"%d" % n for n in numbers[..., 0].flatten())
files["text.pbm"], files["binary.pbm"] = b"P1\n6 2\n1 0 1 0 1 0 0 1 1 1 0 0\n", b"P4\n6 2\n\xa8\x70"
files["up-to-100.ppm"] = b"P6\n6 5\n100\n" + (numbers % 101).astype(np.uint8).tobytes()
files["16-bit.pgm"] = b"P5\n6 5\n65535\n" + words[..., 0].astype(">u2").tobytes()
files["16-bits.bmp"], files["32-bits.bmp"] = bmp(16, random.bytes(60)), bmp(32, random.bytes(120))
files["565.bmp"] = bmp(16, random.bytes(60), struct.pack("<III", 0xF800, 0x7E0, 0x1F), 3)
files["short-runs.bmp"] = bmp(8, b"\x03\x03\0\0" * 4 + b"\0\1", compression=1, colours=random.bytes(64))

for name in ("420-95.jpg", "420-95-progressive.jpg", "restarts.jpg", "grey.jpg", "cmyk.jpg", "rgb.png", "palette.png",
             "rgb.webp", "rgb-lossless.webp", "rgba.webp", "rgb.gif", "rgb.bmp", "rgb-tiff_lzw.tif", "rgb-raw.tif",
             "binary.ppm", "text.ppm"):
    whole = files[name]
    # Behind the pixels of a PNG stand 16 bytes without which Pillow reads it all the same.
    spare = 16 if name.endswith("png") else 0
    for share in (0.02, 0.3, 0.6, 0.95):
        files[f"cut-{share}-{name}"] = whole[: int(len(whole) * share)]
    if name.endswith((".jpg", ".webp", ".png", ".bmp", "binary.ppm")):
        files[f"cut-end-{name}"] = whole[: len(whole) - spare - 1]
for name in ("420-95.jpg", "rgb.png", "rgb.webp", "rgb.gif"):
    files[f"more-{name}"] = files[name] + b"\0more\xff"
half = bytearray(files["420-95.jpg"])
half[-150:-2] = b""
files["missing-middle-420-95.jpg"] = bytes(half)
checksum = bytearray(files["rgb.png"])
checksum[29] ^= 1
files["wrong-checksum.png"] = bytes(checksum)
files["empty.jpg"], files["text.jpg"] = b"", b"<html>404</html>"

with tarfile.open("pictures.tar.gz", "w:gz") as tar, open("pillow.tsv", "w") as table:
    for name, data in files.items():
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
        try:
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            print(name, *picture.size, hashlib.sha256(picture.tobytes()).hexdigest(), sep="\t", file=table)
        except Exception:
            print(name, "refused", sep="\t", file=table)
