/* The few calls of libvips that a render needs, each one step of the pipeline.
 * Every function gives 0, or -1 with the reason in vips_error_buffer(). Images
 * that are given stay the caller's; images that are returned are the caller's
 * to unref. */
#ifndef THUMBMILL_VIPS_H
#define THUMBMILL_VIPS_H

#include "planes.h"

#include <vips/vips.h>

/* Lets the limits of processor time and of files end the process. */
void tm_default_signals(void);
int tm_init(void);
/* Whether this libvips has an operation, such as "heifload_source". */
int tm_has(const char *operation);
/* Opens the header; nothing is decoded until pixels are asked for. */
int tm_open(int fd, const char *options, int random, VipsImage **out);
/* Opens an AVIF or a HEIC in memory, which must stay there. */
int tm_open_heif(const void *file, size_t length, VipsImage **out);
/* The same of a file that is in memory, and must stay there. */
int tm_open_memory(const void *body, size_t length, const char *options, int random, VipsImage **out);
/* An image of pixels that are in memory already, and must stay there: 1 band of grey, 3 of sRGB, or 4 with alpha. */
int tm_raster(const void *pixels, int width, int height, int bands, VipsImage **out);
/* Scales to exactly width x height, in sRGB or grey, with alpha premultiplied.
 * soft takes a kernel that does not ring: for drawings, whose edges show it.
 * precise computes in floating point: sharpening would show what is rounded.
 * premultiplied says that the colours are multiplied by alpha already. */
int tm_scale(VipsImage *in, int width, int height, int soft, int precise, int premultiplied, VipsImage **out);

/* colour.c */
/* Samples of 8 or 16 bits without a sign, of whatever kind they are: floats of 0 to 1, numbers of 32 bits or with a sign. */
int tm_samples(VipsImage *in, VipsImage **out);
/* The first bands, which are colours, and one more that is alpha; 0 is none. */
int tm_bands(VipsImage *in, int colours, int alpha, VipsImage **out);
/* By the embedded profile into sRGB, which then is none. */
int tm_to_srgb(VipsImage *in, VipsImage **out);
/* Each value of grey as the table says, 256 or 65536 of 0 to 1; the profile is gone. */
int tm_grey_curve(VipsImage *in, const double *table, int length, VipsImage **out);
/* All pixels, computed, of 16 bits a channel: red, green, blue, and alpha where there is one. */
int tm_deep(VipsImage *in, VipsImage **out);
/* The same picture with another profile; length 0 is none. */
int tm_profiled(VipsImage *in, const void *profile, size_t length, VipsImage **out);
/* One of frames of that height that are under each other, all pixels computed. */
int tm_frame(VipsImage *frames, int i, int height, VipsImage **out);
/* An animation of finished frames that are in memory under each other, and must stay
 * there, with the delays and loops of the original. */
int tm_join(VipsImage *original, const void *pixels, int width, int height, int bands, int count, VipsImage **out);
/* Computes all pixels now: what follows may read them in any order. */
int tm_settle(VipsImage *in, VipsImage **out);
/* All pixels, computed, of 8 bits a channel: red, green, blue, and alpha where there is one. */
int tm_colours(VipsImage *in, VipsImage **out);
/* An image of a copy of such pixels. */
int tm_copied(const void *pixels, int width, int height, int bands, VipsImage **out);
/* Whether a pixel is not opaque. */
int tm_transparent(VipsImage *in, int *transparent);
int tm_upright(VipsImage *in, VipsImage **out);
int tm_extract(VipsImage *in, int left, int top, int width, int height, VipsImage **out);
int tm_attention(VipsImage *in, int width, int height, VipsImage **out);
/* degrees clockwise: 90, 180 or 270 */
int tm_rotate(VipsImage *in, int degrees, VipsImage **out);
int tm_flip(VipsImage *in, int vertical, VipsImage **out);
/* threshold is in units of the 8-bit range */
int tm_unsharp(VipsImage *deep, double sigma, double amount, double threshold, VipsImage **out);
/* 8 bits a channel, sRGB or grey, all pixels computed, without metadata but the colour profile. */
int tm_finish(VipsImage *in, int flatten, VipsImage **out);
int tm_orientation(VipsImage *in);
/* Whether a finished image has no colours, and the same in one band, alpha kept. */
int tm_is_grey(VipsImage *in);
int tm_grey(VipsImage *in, VipsImage **out);
/* A finished image's pixels, row by row, band by band. */
const void *tm_pixels(VipsImage *in);
/* Metadata such as "icc-profile-data"; NULL when there is none. */
const void *tm_blob(VipsImage *in, const char *name, size_t *length);
/* How long frame i is shown, in milliseconds; 0 when nothing says so. */
int tm_delay(VipsImage *in, int i);
/* A number of the metadata, such as "loop"; 0 when there is none. */
int tm_number(VipsImage *in, const char *name);
/* Changes the image itself, which must be a finished one. Length 0 removes the profile. */
void tm_set_profile(VipsImage *in, const void *profile, size_t length);
/* how is a suffix and options, such as ".webp[Q=80]". *out is freed with tm_free. */
int tm_encode(VipsImage *in, const char *how, void **out, size_t *length);
void tm_free(void *p);

/* jpeg.c: quality 1 to 100; full_chroma is 4:4:4, else 4:2:0. exif and profile may be of length 0. */
typedef struct {
	int width, height, bands; /* 1 grey, 3 RGB */
	const unsigned char *pixels;
	const TmPlanes *planes; /* or NULL: instead of pixels, chroma halved */
	int quality, full_chroma, progressive;
	float worth; /* of a saved bit of luma, in squared error, in steps of the quantiser; 0: libjpeg rounds */
	const unsigned char *exif, *profile;
	size_t exif_length, profile_length;
} TmJpeg;
int tm_jpeg(const TmJpeg *j, unsigned char **out, unsigned long *length, char *error);

#endif
