#!/usr/bin/env python3
"""Writes src/io/testdata: the results of Pillow and of Hugging Face's image processors (PIL
backend).

  images.safetensors      JPEG and PNG pictures and their RGB pixels, EXIF orientation applied
  webp_bmp_gif.safetensors   the same of these formats
  resize.safetensors      RGB pictures and their resized versions
  processors.json, processors.safetensors   settings, pictures, pixel values
  photos.json             hashes (XXH3-128) of decoded and resized photos; with --photos FOLDER only

Needs: pillow, numpy, safetensors, torch, transformers, xxhash.
"""

import argparse
import io
import json
import os
import struct
import zlib

import numpy as np
import xxhash
from PIL import Image, ImageOps
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "src", "io", "testdata")


def scene(width, height, seed):
    """Smooth shades, hard edges and noise, which reveal differences of filters and chroma
    sampling."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 128 + 120 * np.sin(x / 3 + seed) * np.cos(y / 5)
    green = 255 * ((x // 4 + y // 3) % 2)
    blue = 255 * x / max(width - 1, 1)
    noise = rng.normal(0, 25, (height, width, 3))
    return np.clip(np.stack([red, green, blue], -1) + noise, 0, 255).astype(np.uint8)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(samples, depth, color, interlaced=False, extra=()):
    """A PNG encoder for layouts that Pillow does not write. samples: (height, width, channels)."""
    height, width, channels = samples.shape

    def lines(part):
        data = b""
        for number, row in enumerate(part):
            if depth == 16:
                raw = row.astype(">u2").tobytes()
            elif depth == 8:
                raw = row.astype(np.uint8).tobytes()
            else:
                bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth:]
                raw = np.packbits(bits.reshape(-1)).tobytes()
            step = max(1, depth * channels // 8)
            if number % 2:  # filter "sub" in every other line
                before = bytes(step) + raw[:-step]
                raw = bytes((a - b) & 255 for a, b in zip(raw, before))
            data += bytes([number % 2]) + raw
        return data

    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                  (1, 0, 2, 2), (0, 1, 1, 2)]
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in passes]
        data = b"".join(lines(p) for p in parts if p.size)
    else:
        data = lines(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra)
            + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def exif(orientation, order):
    """A TIFF block with a directory of two entries; orientation is the last one."""
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 2)
    block += struct.pack(order + "HHII", 0x0100, 4, 1, 77)
    return block + struct.pack(order + "HHIHHI", 0x0112, 3, 1, orientation, 0, 0)


def make_encoded():
    rgb = Image.fromarray(scene(37, 29, 1))
    odd = Image.fromarray(scene(17, 33, 2))
    gray = rgb.convert("L")
    files = {}
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        files[f"jpeg_{name}"] = encoded(rgb, format="JPEG", quality=80, subsampling=sampling)
        files[f"jpeg_{name}_odd"] = encoded(odd, format="JPEG", quality=92, subsampling=sampling)
    files["jpeg_progressive"] = encoded(rgb, format="JPEG", quality=75, progressive=True)
    files["jpeg_optimized_restarts"] = encoded(
        rgb, format="JPEG", quality=50, optimize=True, restart_marker_blocks=2)
    files["jpeg_rgb"] = encoded(rgb, format="JPEG", quality=90, keep_rgb=True)
    files["jpeg_grey"] = encoded(gray, format="JPEG", quality=85)
    files["jpeg_1x1"] = encoded(rgb.crop((0, 0, 1, 1)), format="JPEG")
    cmyk = encoded(Image.merge("CMYK", [*rgb.split(), gray]), format="JPEG", quality=90)
    files["jpeg_cmyk"] = cmyk
    at = cmyk.index(b"\xff\xee")
    # The same coefficients, declared as YCCK, and without a declaration.
    files["jpeg_ycck"] = cmyk[:at + 15] + b"\x02" + cmyk[at + 16:]
    files["jpeg_cmyk_without_adobe"] = cmyk[:at] + cmyk[at + 16:]
    small = Image.fromarray(scene(12, 7, 3))
    for orientation in range(1, 9):
        order = "<>"[orientation % 2]
        files[f"jpeg_exif_{orientation}"] = encoded(
            small, format="JPEG", quality=90, exif=b"Exif\0\0" + exif(orientation, order))
    files["png_exif_6"] = encoded(small, format="PNG", exif=exif(6, "<"))

    files["png_rgb"] = encoded(rgb, format="PNG")
    files["png_grey"] = encoded(gray, format="PNG")
    files["png_one_bit"] = encoded(gray.convert("1"), format="PNG")
    files["png_1x1"] = encoded(rgb.crop((0, 0, 1, 1)), format="PNG")
    alpha = Image.fromarray(scene(37, 29, 4)).convert("L")
    files["png_rgba"] = encoded(Image.merge("RGBA", [*rgb.split(), alpha]), format="PNG")
    files["png_grey_alpha"] = encoded(Image.merge("LA", [gray, alpha]), format="PNG")
    files["png_rgb_trns"] = encoded(rgb, format="PNG", transparency=(0, 0, 0))
    files["png_grey_trns"] = encoded(gray, format="PNG", transparency=128)
    for colors, bits in ((256, 8), (16, 4), (4, 2), (2, 1)):
        files[f"png_palette_{bits}"] = encoded(
            rgb.quantize(colors), format="PNG", bits=bits)
    files["png_palette_trns"] = encoded(
        rgb.quantize(16), format="PNG", transparency=bytes(range(0, 256, 16)))

    rng = np.random.default_rng(5)
    plte = chunk(b"PLTE", bytes(rng.integers(0, 256, 3 * 200, dtype=np.uint8)))
    short = chunk(b"PLTE", bytes(rng.integers(0, 256, 3 * 5, dtype=np.uint8)))
    for name, depth, color, channels, extra in (
            ("grey_2", 2, 0, 1, ()), ("grey_4", 4, 0, 1, ()), ("grey_16", 16, 0, 1, ()),
            ("rgb_16", 16, 2, 3, ()), ("rgba_16", 16, 6, 4, ()), ("grey_alpha_16", 16, 4, 2, ()),
            ("palette_short", 4, 3, 1, (short,))):
        for interlaced in (False, True):
            samples = rng.integers(0, 1 << depth, (11, 13, channels))
            if name == "grey_16":
                samples[::2] %= 300  # below and above the limit of 8 bits
            files[f"png_{name}" + "_interlaced" * interlaced] = png(
                samples, depth, color, interlaced, extra)
    for width, height in ((1, 1), (3, 2), (5, 9)):
        samples = scene(width, height, 6)
        files[f"png_interlaced_{width}x{height}"] = png(samples, 8, 2, True)
    files["png_interlaced_one_bit"] = png(rng.integers(0, 2, (10, 21, 1)), 1, 0, True)
    files["png_palette_200_interlaced"] = png(
        rng.integers(0, 200, (9, 14, 1)), 8, 3, True, (plte,))
    files["png_gamma_text"] = png(samples, 8, 2, False, (
        chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"tEXt", b"Title\0nothing"),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100000)))))

    save_pictures(files, "images.safetensors")


def save_pictures(files, output):
    arrays = {}
    for name, data in files.items():
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        arrays[f"{name}/file"] = np.frombuffer(data, np.uint8)
        arrays[f"{name}/rgb"] = np.array(picture)
    save_file(arrays, os.path.join(OUT, output))


def bmp(width, height, bits, pixels, palette=b"", compression=0, masks=(), colors=0, header=40):
    """A bitmap of a kind that Pillow does not write. pixels: as stored."""
    extra = b"".join(struct.pack("<I", mask) for mask in masks)
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression,
                           len(pixels), 0, 0, colors, 0)
        info += extra.ljust(header - 40, b"\0") if header > 40 else extra
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + info + palette + pixels


def gif(screen, frames, palette=None):
    """A GIF with frames (left, top, samples, options), stored without compression."""
    def table(colors):
        bits = max(1, (len(colors) // 3 - 1).bit_length())
        return bits - 1, colors.ljust(3 << bits, b"\0")

    size, colors = table(palette) if palette else (0, b"")
    data = b"GIF89a" + struct.pack("<HHBBB", *screen, (0x80 | size) if palette else 0, 0, 0)
    data += colors
    for left, top, samples, options in frames:
        if "transparent" in options:
            data += b"!\xf9\x04" + struct.pack("<BHBB", 1, 0, options["transparent"], 0)
        if "comment" in options:
            data += b"!\xfe\x03abc\0!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
        size, colors = table(options["palette"]) if "palette" in options else (0, b"")
        height, width = samples.shape
        flags = (0x80 | size if colors else 0) | (0x40 if "interlaced" in options else 0)
        data += b"," + struct.pack("<HHHHB", left, top, width, height, flags) + colors
        # Nine bits per code, and a clear code before codes need ten bits.
        codes = []
        for number, pixel in enumerate(samples.reshape(-1)):
            codes += [256] * (number % 250 == 0) + [int(pixel)]
        bits = "".join(format(code, "09b")[::-1] for code in [*codes, 257])
        raw = bytes(int(bits[i:i + 8][::-1], 2) for i in range(0, len(bits), 8))
        blocks = [raw[i:i + 200] for i in range(0, len(raw), 200)]
        data += b"\x08" + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"
    return data + b";"


def make_webp(rgb, alpha, files):
    both = Image.merge("RGBA", [*rgb.split(), alpha])
    for name, picture, options in (
            ("lossy", rgb, {"quality": 80}), ("lossy_low", rgb, {"quality": 10, "method": 6}),
            ("lossless", rgb, {"lossless": True}), ("alpha_lossy", both, {"quality": 70}),
            ("alpha_lossless", both, {"lossless": True, "exact": True}),
            ("alpha_lossless_cleared", both, {"lossless": True}),
            ("grey", rgb.convert("L"), {}), ("1x1", rgb.crop((0, 0, 1, 1)), {}),
            ("palette", rgb.quantize(16), {"lossless": True}),
            ("icc", rgb, {"icc_profile": b"nothing of use"})):
        files[f"webp_{name}"] = encoded(picture, format="WEBP", **options)
    for orientation in (1, 6, 8):
        files[f"webp_exif_{orientation}"] = encoded(
            rgb, format="WEBP", exif=b"Exif\0\0" + exif(orientation, "<"))
    files["webp_exif_3_bare"] = encoded(rgb, format="WEBP", exif=exif(3, ">"))
    frames = [both, both.rotate(90), both.rotate(180)]
    for name, options in (("animated", {"lossless": True}), ("animated_lossy", {"quality": 50})):
        files[f"webp_{name}"] = encoded(frames[0], format="WEBP", save_all=True,
                                        append_images=frames[1:], duration=50, **options)


def make_bmp(rgb, rng, files):
    gray = rgb.convert("L")
    for name, picture in (("rgb", rgb), ("grey", gray), ("one_bit", gray.convert("1")),
                          ("palette", rgb.quantize(200)), ("1x1", rgb.crop((0, 0, 1, 1))),
                          ("rgba", rgb.convert("RGBA"))):
        files[f"bmp_{name}"] = encoded(picture, format="BMP")
    palette = bytes(rng.integers(0, 256, 4 * 16, dtype=np.uint8))
    for bits, colors in ((1, 2), (4, 16), (4, 5), (8, 16)):
        stride = (13 * bits + 31) // 32 * 4
        pixels = bytes(rng.integers(0, 16 if bits == 8 else 256, stride * 7, dtype=np.uint8))
        files[f"bmp_palette_{bits}_{colors}"] = bmp(
            13, 7, bits, pixels, palette[:4 * colors], colors=colors)
        old = b"".join(palette[4 * i:4 * i + 3] for i in range(colors))
        if colors == 1 << bits:
            files[f"bmp_core_{bits}"] = bmp(13, 7, bits, pixels, old, header=12)
    noise = bytes(rng.integers(0, 256, 60 * 7, dtype=np.uint8))
    files["bmp_core_24"] = bmp(13, 7, 24, noise[:40 * 7], header=12)
    files["bmp_16"] = bmp(13, 7, 16, noise[:28 * 7])
    files["bmp_top_down"] = bmp(13, -7, 24, noise[:40 * 7])
    files["bmp_32"] = bmp(13, 7, 32, noise[:52 * 7])
    fields = {16: [(0xf800, 0x7e0, 0x1f), (0x7c00, 0x3e0, 0x1f)], 24: [(0xff0000, 0xff00, 0xff)],
              32: [(0xff0000, 0xff00, 0xff, 0), (0xff000000, 0xff0000, 0xff00, 0),
                   (0xff000000, 0xff0000, 0xff00, 0xff), (0xff, 0xff00, 0xff0000, 0xff000000),
                   (0xff0000, 0xff00, 0xff, 0xff000000), (0xff000000, 0xff00, 0xff, 0),
                   (0, 0, 0, 0)]}
    for bits, all_masks in fields.items():
        for number, masks in enumerate(all_masks):
            size = (13 * bits + 31) // 32 * 4 * 7
            for header in (40, 56, 108, 124):
                if header > 40 or len(masks) < 4 or masks[3] == 0:
                    files[f"bmp_fields_{bits}_{number}_{header}"] = bmp(
                        13, 7, bits, noise[:size], compression=3, header=header,
                        masks=masks[:3] if header == 40 else masks)
    # A run, literal pixels (with and without a padding byte), an end of row, an offset.
    eight = (b"\x05\x07" b"\x00\x05\1\2\3\4\5\0" b"\x03\x09" b"\0\0" b"\x0d\x02" b"\0\0"
             b"\x00\x04\6\7\x08\x09" b"\0\0" b"\x02\x03" b"\0\2\x03\1" b"\x05\x0b" b"\0\0"
             b"\x0e\x0c" b"\0\0" b"\x0d\x01" b"\0\1")
    files["bmp_rle8"] = bmp(13, 7, 8, eight, palette, compression=1, colors=16)
    four = (b"\x05\x71" b"\x00\x05\x12\x34\x50\0" b"\x03\x92" b"\0\0" b"\x0d\x2f" b"\0\0"
            b"\x00\x04\x67\x89" b"\0\0" b"\x02\x31" b"\0\2\x03\1" b"\x05\xb0" b"\0\0"
            b"\x0e\xc4" b"\0\0" b"\x0d\x10" b"\0\1")
    files["bmp_rle4"] = bmp(13, 7, 4, four, palette, compression=2, colors=16)


def make_gif(rgb, rng, files):
    for colors in (2, 4, 16, 256):
        for interlaced in (0, 1):
            files[f"gif_{colors}" + "_interlaced" * interlaced] = encoded(
                rgb.quantize(colors), format="GIF", interlace=interlaced)
    large = Image.fromarray(scene(200, 150, 7))
    files["gif_large"] = encoded(large.quantize(64), format="GIF")  # a full code table
    files["gif_flat"] = encoded(Image.new("P", (90, 70), 1), format="GIF")
    files["gif_grey"] = encoded(rgb.convert("L"), format="GIF")
    files["gif_transparent"] = encoded(rgb.quantize(16), format="GIF", transparency=3)
    frames = [rgb.quantize(16), rgb.rotate(90).quantize(16)]
    files["gif_animated"] = encoded(frames[0], format="GIF", save_all=True,
                                    append_images=frames[1:], duration=50, disposal=2)
    colors = bytes(rng.integers(0, 256, 3 * 8, dtype=np.uint8))
    other = bytes(rng.integers(0, 256, 3 * 4, dtype=np.uint8))
    part = rng.integers(0, 8, (9, 11))
    for name, options in (("part", {}), ("part_transparent", {"transparent": 5}),
                          ("part_interlaced", {"interlaced": True, "comment": True}),
                          ("part_own_palette", {"palette": other}),
                          ("part_own_palette_transparent", {"palette": other, "transparent": 2})):
        files[f"gif_{name}"] = gif((20, 15), [(3, 2, part, options)], colors)
    files["gif_two_parts"] = gif((20, 15), [(3, 2, part, {}), (0, 0, part, {})], colors)
    files["gif_beyond_screen"] = gif((6, 5), [(3, 2, part, {})], colors)
    files["gif_beyond_palette"] = gif((11, 9), [(0, 0, part * 30, {})], colors)
    files["gif_no_palette"] = gif((20, 15), [(3, 2, part * 30, {})])
    files["gif_grey_ramp"] = gif((20, 15), [(3, 2, part * 30, {})], bytes([0, 0, 0, 1, 1, 1]))


def make_webp_bmp_gif():
    rng = np.random.default_rng(8)
    rgb = Image.fromarray(scene(37, 29, 1))
    alpha = Image.fromarray(scene(37, 29, 4)).convert("L").point(lambda v: 0 if v < 80 else v)
    files = {}
    make_webp(rgb, alpha, files)
    make_bmp(rgb, rng, files)
    make_gif(rgb, rng, files)
    save_pictures(files, "webp_bmp_gif.safetensors")


FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}


def make_resize():
    arrays = {}
    sizes = {
        (31, 23): [(14, 14), (64, 9), (31, 40), (47, 23), (1, 1), (33, 24), (30, 22)],
        (5, 64): [(20, 20), (3, 7), (5, 65)],
        (1, 1): [(4, 3)],
        (2, 3): [(17, 19)],
        (97, 61): [(28, 28), (7, 50)],
        (200, 3): [(9, 9)],
    }
    for number, ((width, height), targets) in enumerate(sizes.items()):
        pixels = scene(width, height, 10 + number)
        arrays[f"{number}/source"] = pixels
        for target in targets:
            for name, code in FILTERS.items():
                arrays[f"{number}/{name}/{target[0]}x{target[1]}"] = np.array(
                    Image.fromarray(pixels).resize(target, code))
    # Full contrast: each pass clips the overshoot of the cubic filter.
    stripes = np.zeros((24, 24, 3), np.uint8)
    stripes[::3] = 255
    stripes[:, ::5] = 255
    arrays["stripes/source"] = stripes
    for target in ((16, 16), (40, 31)):
        for name, code in FILTERS.items():
            arrays[f"stripes/{name}/{target[0]}x{target[1]}"] = np.array(
                Image.fromarray(stripes).resize(target, code))
    save_file(arrays, os.path.join(OUT, "resize.safetensors"))


def make_processors():
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    classes = {"BlipImageProcessor": BlipImageProcessorPil,
               "CLIPImageProcessor": CLIPImageProcessorPil,
               "LlavaImageProcessor": LlavaImageProcessorPil,
               "Idefics3ImageProcessor": Idefics3ImageProcessorPil,
               "SmolVLMImageProcessor": SmolVLMImageProcessorPil}
    square = {"crop_size": {"height": 9, "width": 9}, "size": {"shortest_edge": 9}}
    clip = {"image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711]}
    cases = [
        {"size": {"height": 16, "width": 16}, "resample": 3, **clip, "do_resize": True,
         "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
         "do_convert_rgb": True, "image_processor_type": "BlipImageProcessor",
         "processor_class": "Blip2Processor"},
        {"size": {"height": 12, "width": 20}, "resample": 2},
        {"size": {"height": 20, "width": 9}, "resample": 0, "do_normalize": False},
        {"size": {"height": 10, "width": 10}, "do_rescale": False,
         "image_mean": [127.5, 120.0, 99.0], "image_std": [64.0, 55.5, 70.25]},
        {"do_resize": False, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.25, 1.0]},
        {"size": {"height": 8, "width": 8}, "do_rescale": False, "do_normalize": False},
        {"size": {"height": 11, "width": 11}, "rescale_factor": 0.00784313725490196},
        # Like LLaVA 1.5, a crop beyond the picture on every side, odd sizes, no crop.
        {"image_processor_type": "CLIPImageProcessor", **square, "resample": 3},
        {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 9},
         "crop_size": {"height": 12, "width": 8}, "resample": 2},
        {"image_processor_type": "CLIPImageProcessor", "do_resize": False,
         "crop_size": {"height": 24, "width": 12}, "do_normalize": False},
        {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 7},
         "do_center_crop": False},
        {"image_processor_type": "CLIPImageProcessor", "size": {"height": 9, "width": 16},
         "crop_size": {"height": 5, "width": 9}},
        {"image_processor_type": "LlavaImageProcessor", **square, "do_pad": True},
        {"image_processor_type": "LlavaImageProcessor", **square, "do_pad": False},
        # Like SmolVLM: tiles in both directions, a single tile, no tiles, other filters, no
        # resizing.
        *({"image_processor_type": "Idefics3ImageProcessor", "do_pad": True,
           "size": {"longest_edge": longest}, "max_image_size": {"longest_edge": tile}, **rest}
          for longest, tile, rest in (
              (24, 8, {"resample": 1, "do_image_splitting": True, "return_row_col_info": True,
                       "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}),
              (8, 8, {}), (24, 8, {"do_image_splitting": False}), (17, 6, {"resample": 3}),
              (24, 10, {"do_resize": False}))),
        {"image_processor_type": "SmolVLMImageProcessor", "size": {"longest_edge": 16},
         "max_image_size": {"longest_edge": 8}, "image_mean": [0.4, 0.5, 0.6]},
    ]
    arrays = {}
    for name, picture in (("picture", scene(27, 19, 30)), ("upright", scene(10, 23, 31))):
        arrays[name] = picture
        for number, config in enumerate(cases):
            kind = config.get("image_processor_type", "BlipImageProcessor")
            if name == "upright" and kind == "BlipImageProcessor":
                continue  # their shape is constant
            processor = classes[kind](**config)
            made = processor(Image.fromarray(picture), return_tensors="np")
            values = made["pixel_values"][0]
            if "pixel_attention_mask" in made:
                assert made["pixel_attention_mask"].all()  # whole tiles: nothing is masked
            key = "pixels" if name == "picture" else name + "/pixels"
            arrays[f"{key}/{number}"] = np.ascontiguousarray(values.astype(np.float32))
    with open(os.path.join(OUT, "processors.json"), "w") as file:
        json.dump(cases, file, indent=1)
        file.write("\n")
    save_file(arrays, os.path.join(OUT, "processors.safetensors"))


def digest(image):
    return xxhash.xxh3_128_hexdigest(np.array(image).tobytes())


def make_photos(folder):
    photos = {}
    for name in sorted(os.listdir(folder)):
        picture = ImageOps.exif_transpose(Image.open(os.path.join(folder, name))).convert("RGB")
        photos[name] = {
            "size": list(picture.size),
            "rgb": digest(picture),
            "bicubic_224": digest(picture.resize((224, 224), 3)),
            "bicubic_700x901": digest(picture.resize((700, 901), 3)),
            "bilinear_364": digest(picture.resize((364, 364), 2)),
            # The result of Pillow up to version 12 in one call: the width first.
            "rows_first_224": digest(
                picture.resize((224, picture.height), 3).resize((224, 224), 3)),
            "nearest_99x301": digest(picture.resize((99, 301), 0)),
        }
    with open(os.path.join(OUT, "photos.json"), "w") as file:
        json.dump(photos, file, indent=0)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", help="folder of photos to hash; they are not copied")
    arguments = parser.parse_args()
    os.makedirs(OUT, exist_ok=True)
    make_encoded()
    make_webp_bmp_gif()
    make_resize()
    make_processors()
    if arguments.photos:
        make_photos(arguments.photos)


if __name__ == "__main__":
    main()
