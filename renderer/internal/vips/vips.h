/* The few calls of libvips that a render needs, each one step of the pipeline.
 * Functions return 0, or -1 with the reason in vips_error_buffer(), unless their
 * comment says otherwise. The caller owns the images that it gives, and unrefs
 * the images in *out. */
#ifndef THUMBMILL_VIPS_H
#define THUMBMILL_VIPS_H

#include "planes.h"

#include <vips/vips.h>

/* Lets the limits of processor time and of file size end the process. */
void tm_default_signals(void);
int tm_init(void);
/* Returns whether this libvips has an operation, such as "heifload_source". */
int tm_has(const char *operation);
/* Opens the header. libvips decodes when a later step reads pixels. */
int tm_open(int fd, const char *options, int random, VipsImage **out);
/* Opens an AVIF or a HEIC in memory, which must stay there. */
int tm_open_heif(const void *file, size_t length, VipsImage **out);
/* Does as tm_open for a file in memory, which must stay there. */
int tm_open_memory(const void *body, size_t length, const char *options, int random, VipsImage **out);
/* Makes an image of pixels in memory, which must stay there: 1 band of grey, 3 of sRGB, or 4 of sRGB with alpha. */
int tm_raster(const void *pixels, int width, int height, int bands, VipsImage **out);
/* Scales to exactly width x height, in sRGB or grey, with alpha premultiplied.
 * soft takes a kernel that does not ring: edges of drawings would show the ringing.
 * precise computes in floating point: sharpening would show rounding.
 * premultiplied says that the colours are multiplied by alpha already. */
int tm_scale(VipsImage *in, int width, int height, int soft, int precise, int premultiplied, VipsImage **out);

/* colour.c */
/* Converts floats of 0 to 1, and numbers of 32 bits or with a sign, to samples of 8 or 16 bits without a sign. */
int tm_samples(VipsImage *in, VipsImage **out);
/* Keeps the first bands, which are colours, and the band alpha; 0 means no alpha. */
int tm_bands(VipsImage *in, int colours, int alpha, VipsImage **out);
/* Converts by the embedded profile to sRGB, and removes the profile. A profile of tables is read with the perceptual
   intent, as browsers read it: many have no other, and libvips then leaves the colours as they are. */
int tm_to_srgb(VipsImage *in, int tables, VipsImage **out);
/* Maps each value of grey by the table of 256 or 65536 values of 0 to 1, and removes the profile. */
int tm_grey_curve(VipsImage *in, const double *table, int length, VipsImage **out);
/* Computes all pixels in 16 bits a channel: red, green, blue, and alpha if the image has it. */
int tm_deep(VipsImage *in, VipsImage **out);
/* Copies the picture with another profile; length 0 means no profile. */
int tm_profiled(VipsImage *in, const void *profile, size_t length, VipsImage **out);
/* Computes frame i of frames that lie under each other, each of that height. */
int tm_frame(VipsImage *frames, int i, int height, VipsImage **out);
/* Makes an animation of finished frames with the delays and loops of the original. The frames lie
 * in memory under each other, and must stay there. */
int tm_join(VipsImage *original, const void *pixels, int width, int height, int bands, int count, VipsImage **out);
/* Computes all pixels now: later steps may read them in any order. */
int tm_settle(VipsImage *in, VipsImage **out);
/* Computes all pixels in 8 bits a channel: red, green, blue, and alpha if the image has it. */
int tm_colours(VipsImage *in, VipsImage **out);
/* Makes an image of a copy of such pixels. */
int tm_copied(const void *pixels, int width, int height, int bands, VipsImage **out);
/* Sets *transparent to whether a pixel is not opaque. */
int tm_transparent(VipsImage *in, int *transparent);
int tm_upright(VipsImage *in, VipsImage **out);
int tm_extract(VipsImage *in, int left, int top, int width, int height, VipsImage **out);
int tm_attention(VipsImage *in, int width, int height, VipsImage **out);
/* degrees clockwise: 90, 180 or 270 */
int tm_rotate(VipsImage *in, int degrees, VipsImage **out);
int tm_flip(VipsImage *in, int vertical, VipsImage **out);
/* threshold is in units of the 8-bit range */
int tm_unsharp(VipsImage *deep, double sigma, double amount, double threshold, VipsImage **out);
/* Computes all pixels in 8 bits a channel, sRGB or grey, and drops all metadata except the colour profile. */
int tm_finish(VipsImage *in, int flatten, VipsImage **out);
int tm_orientation(VipsImage *in);
/* tm_is_grey returns whether a finished image has no colours. tm_grey converts it to one band, and keeps alpha. */
int tm_is_grey(VipsImage *in);
int tm_grey(VipsImage *in, VipsImage **out);
/* Returns a finished image's pixels, row by row, the bands of a pixel side by side. */
const void *tm_pixels(VipsImage *in);
/* Returns metadata such as "icc-profile-data", or NULL. */
const void *tm_blob(VipsImage *in, const char *name, size_t *length);
/* Returns the time of frame i in milliseconds, or 0 if the original has no delays. */
int tm_delay(VipsImage *in, int i);
/* Returns a number of the metadata, such as "loop", or 0. */
int tm_number(VipsImage *in, const char *name);
/* Sets the profile of a finished image in place. Length 0 removes the profile. */
void tm_set_profile(VipsImage *in, const void *profile, size_t length);
/* Encodes; how is a suffix with options, such as ".webp[Q=80]". The caller frees *out with tm_free. */
int tm_encode(VipsImage *in, const char *how, void **out, size_t *length);
void tm_free(void *p);

/* jpeg.c: quality 1 to 100; full_chroma is 4:4:4, else 4:2:0. exif and profile may be of length 0. */
typedef struct {
	int width, height, bands; /* 1 grey, 3 RGB */
	const unsigned char *pixels;
	const TmPlanes *planes; /* used instead of pixels unless NULL; chroma is halved */
	int quality, full_chroma, progressive;
	/* The squared error that a saved bit of luma may cost, in steps of the quantiser. With 0, and for planes of bytes, libjpeg
	 * rounds by itself. */
	float worth;
	const unsigned char *exif, *profile;
	size_t exif_length, profile_length;
} TmJpeg;
int tm_jpeg(const TmJpeg *j, unsigned char **out, unsigned long *length, char *error);

#endif
