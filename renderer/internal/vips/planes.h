/* Pictures as planes: one of luma, and two of chroma that may be smaller. Each is scaled from
 * the decoded plane of a JPEG, without a detour through RGB. */
#ifndef THUMBMILL_PLANES_H
#define THUMBMILL_PLANES_H

/* 8-bit samples, row by row. The caller owns them. */
typedef struct {
	int width, height, stride;
	const unsigned char *samples;
} TmSamples;

/* One component, 0 to 255, in rows of stride: samples, or bytes if they are rounded. Samples beyond
 * width and height, up to whole blocks, repeat the edge. */
typedef struct {
	int width, height, stride, rows;
	float *samples;
	unsigned char *bytes;
} TmPlane;

/* 1 plane is grey, 3 are Y, Cb and Cr as in JFIF. */
typedef struct {
	int count;
	TmPlane plane[3];
} TmPlanes;

/* The position of a row's (or a column's) samples in the source: sample i is around
 * start + (i + 1/2) * step. The source's samples have their centres at 1/2, 3/2 …. A step below 0
 * mirrors. Only source samples from low on and below high are read. */
typedef struct {
	double start, step;
	int low, high;
} TmAxis;

/* Returns planes of width x height. If halved, chroma has half of both, rounded up. Rounded planes
 * have bytes. NULL: no memory. */
TmPlanes *tm_planes_new(int count, int width, int height, int halved, int rounded);
void tm_planes_free(TmPlanes *p);
/* Writes the means of two samples across and down, (width + 1) / 2 in a row without gaps. A last odd sample is its own pair. */
void tm_samples_halve(const TmSamples *in, unsigned char *out);
/* scale.c: scales into the planes of out by Lanczos' filter of three lobes. in, across and down have an
 * element for each. -1: no memory. */
int tm_planes_scale(const TmSamples *in, const TmAxis *across, const TmAxis *down, TmPlanes *out);
/* scale.c: scales pixels whose bands lie side by side, to rows without gaps. -1: no memory. */
int tm_pixels_scale(const TmSamples *in, int bands, const TmAxis *across, const TmAxis *down, unsigned char *pixels, int width, int height);
/* Repeats the edge beyond the plane's width and height. */
void tm_plane_pad(TmPlane *p);
/* Exchanges rows and columns. The sides of out must be exchanged already. */
void tm_plane_transpose(const TmPlane *in, TmPlane *out);
/* sharp = in + amount * (in - blurred), clamped, in samples that are not rounded. -1: no memory. */
int tm_plane_unsharp(TmPlane *p, double sigma, double amount);
/* Converts samples that are not rounded from JFIF's range to WebP's, if limited, or back. */
void tm_planes_range(TmPlanes *p, int limited);
/* Returns whether every sample rounds to half. */
int tm_plane_neutral(const TmPlane *p);
/* Writes rows of 1 or 3 bytes a pixel; all planes are of the same size, and not rounded. */
void tm_planes_join(const TmPlanes *p, unsigned char *out);
/* Writes rows whose pixels are a byte of each plane; all planes are of the same size, and rounded. */
void tm_planes_interleave(const TmPlanes *p, unsigned char *out);

#endif
