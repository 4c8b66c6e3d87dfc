/* The few calls of libvips that a render needs, each one step of the pipeline.
 * Every function gives 0, or -1 with the reason in vips_error_buffer(). Images
 * that are given stay the caller's; images that are returned are the caller's
 * to unref. */
#ifndef THUMBMILL_VIPS_H
#define THUMBMILL_VIPS_H

#include <vips/vips.h>

int tm_init(void);
/* Opens the header; nothing is decoded until pixels are asked for. */
int tm_open(int fd, const char *options, int random, VipsImage **out);
/* Decodes, shrinking while it loads, to exactly width x height, upright. */
int tm_thumbnail(int fd, const char *options, int width, int height, VipsImage **out);
/* The same for an image that is open already. */
int tm_resize(VipsImage *in, int width, int height, VipsImage **out);
/* Computes all pixels now: what follows may read them in any order. */
int tm_settle(VipsImage *in, VipsImage **out);
int tm_upright(VipsImage *in, VipsImage **out);
int tm_extract(VipsImage *in, int left, int top, int width, int height, VipsImage **out);
int tm_attention(VipsImage *in, int width, int height, VipsImage **out);
int tm_find_trim(VipsImage *in, int bottom_right, double tolerance, int *left, int *top, int *width, int *height);
/* degrees clockwise: 90, 180 or 270 */
int tm_rotate(VipsImage *in, int degrees, VipsImage **out);
int tm_flip(VipsImage *in, int vertical, VipsImage **out);
/* threshold is in units of the 8-bit range */
int tm_unsharp(VipsImage *in, double sigma, double amount, double threshold, VipsImage **out);
/* 8 bits a channel, sRGB or grey, without metadata but the colour profile. */
int tm_finish(VipsImage *in, int flatten, VipsImage **out);
int tm_orientation(VipsImage *in);
int tm_save_jpeg(VipsImage *in, int fd, int quality, int full_chroma, int progressive);
int tm_save_png(VipsImage *in, int fd, int progressive);
int tm_save_webp(VipsImage *in, int fd, int quality);
int tm_save_gif(VipsImage *in, int fd);

#endif
