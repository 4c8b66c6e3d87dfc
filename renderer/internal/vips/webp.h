/* WebP by libwebp itself, in planes, without a detour through RGB. */
#ifndef THUMBMILL_WEBP_H
#define THUMBMILL_WEBP_H

#include "planes.h"

#include <stddef.h>

/* Decodes a lossy WebP of width x height, without alpha and not animated, at a smaller size to planes: chroma has half
   of the size, rounded up. 0, or -1: another file, an error, or no memory. */
int tm_webp_planes(const unsigned char *file, size_t length, int width, int height, int to_width, int to_height,
	unsigned char *const samples[3], const int stride[3]);
/* Encodes planes of WebP's range with halved chroma. quality is 0 to 100, method is libwebp's effort, 0 to 6. The caller
   frees *out with tm_webp_free. 0, or libwebp's error. */
int tm_webp(const TmPlanes *p, int quality, int method, unsigned char **out, size_t *length);
void tm_webp_free(void *p);

#endif
