# Draws the first picture of a file in sRGB, upright, with its alpha. Arguments: IN OUT SRGB.
import io, sys
from PIL import Image, ImageCms, ImageOps

source, target, srgb = sys.argv[1:4]
picture = Image.open(source)
profile = picture.info.get("icc_profile")
picture = ImageOps.exif_transpose(picture)
if picture.mode.startswith(("I;16", "I", "F")):
    picture.load()
    low, high = picture.getextrema()
    scale = 255 / 65535 if high > 255 else 255 if picture.mode == "F" and high <= 1 else 1
    picture = picture.convert("F").point(lambda v: v * scale).convert("L")
alpha = picture.convert("RGBA").getchannel("A") if "A" in picture.getbands() or "transparency" in picture.info else None
if profile:
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}[space.profile.xcolor_space]
        colours = picture if picture.mode == mode else picture.convert(mode)
        picture = ImageCms.profileToProfile(colours, space, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, KeyError):
        pass
picture = picture.convert("RGB") if alpha else picture.convert("RGBA")
if alpha:
    picture.putalpha(alpha)
picture.convert("RGBA").save(target)
