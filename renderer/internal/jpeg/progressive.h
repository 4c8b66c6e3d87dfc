// Progressive files at 1/8.
#ifndef THUMBMILL_JPEG_PROGRESSIVE_H
#define THUMBMILL_JPEG_PROGRESSIVE_H

#include "library.h"

// Decodes the DC scans of a progressive file at 1/8, and skips all other scans. libjpeg has read the
// header. Returns 1, or 0 if libjpeg must decode the file; to may then hold unfinished planes.
int jpeg_progressive(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to);

#endif
